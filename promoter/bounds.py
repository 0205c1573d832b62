"""Keeps what is read of a checkout inside of it: what a commit calls a file may be a link to any file of this machine."""

from pathlib import Path


def is_inside(path: Path, checkout: Path) -> bool:
    """Say whether `path` is in `checkout`, wherever links lead; what does not exist is where it would be."""
    return path.resolve().is_relative_to(checkout.resolve())
