"""The verbs of a promotion: one stage a file, its inverse below it."""
