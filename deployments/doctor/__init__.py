"""Looks at everything that a promotion needs, before somebody needs it."""
