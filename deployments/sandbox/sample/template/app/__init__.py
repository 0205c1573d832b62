"""Keeps short notes."""
