"""Bring the ledger's own schema up to date. Every promotion needs it; `promoter sandbox up` does it for the sandbox."""

from argparse import ArgumentParser

from promoter.ledger import schema
from promoter.settings import Settings


def arguments(parser: ArgumentParser) -> None:
    """Declare what the verb takes."""
    parser.add_argument("action", choices=["upgrade"])


def run(*, action: str) -> None:
    """Apply what is pending."""
    print(f"ledger {action}d: its schema is at {schema.upgrade(Settings())}")  # noqa: T201
