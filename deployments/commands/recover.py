"""Bring every promotion that nobody drives any more to its end: forward if it was verified, else back."""

from argparse import ArgumentParser

from flows.recover import LAST_WORDS, recover_all
from tasks import teller


def arguments(parser: ArgumentParser) -> None:
    """Declare what the verb takes: nothing."""
    parser.set_defaults()


def run() -> None:
    """Recover, and say what came of it."""
    for promotion in recover_all():
        print(f"{promotion.id} {promotion.outcome or 'still under way'}: {promotion.cause or ''}")  # noqa: T201
    teller.drain(LAST_WORDS)
