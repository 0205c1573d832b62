"""Promote the head of a branch, or one of its commits, and show how it goes. The flow runs where the Prefect worker is."""

from argparse import ArgumentParser
from functools import partial
from uuid import UUID

from rich.console import Console

from deployments import display, progress, runs
from promoter import config
from promoter.errors import (
    FrozenError,
    OutcomeError,
    PromoterError,
    RejectedError,
    RolledBackError,
    SchemaKeptError,
    SupersededError,
)
from promoter.settings import Settings

OUTCOMES: dict[str, type[OutcomeError]] = {
    "rolled_back": RolledBackError,
    "schema_kept": SchemaKeptError,
    "frozen": FrozenError,
    "superseded": SupersededError,
    "rejected": RejectedError,
}


def arguments(parser: ArgumentParser) -> None:
    """Declare what the verb takes."""
    parser.add_argument("service", help="the service, as its file is called")
    parser.add_argument("branch", help="the branch that was pushed")
    parser.add_argument("--commit", metavar="SHA", help="a commit of it (its head)")
    parser.add_argument(
        "--force", action="store_true", help="also a commit that was taken back before, or is older than what runs"
    )


def run(*, service: str, branch: str, commit: str | None, force: bool) -> None:
    """Start the promotion and follow it to its end; every outcome but a release is an error with its own exit code."""
    settings = Settings()
    found = config.find(service, settings.services)
    follow(runs.promote(found, branch, commit, by=settings.user, force=force))


def follow(flow_run: UUID) -> None:
    """Show a promotion or a rollback to its end; raise the error of every outcome but a release."""
    ended = display.watch(Console(), partial(progress.read, flow_run))
    if ended.released_before:
        return
    if ended.promotion is None:
        raise PromoterError(ended.crashed or "the flow run ended without a promotion")
    outcome = ended.promotion.outcome or ""
    if outcome in OUTCOMES:
        raise OUTCOMES[outcome](f"{outcome.replace('_', ' ')}: {ended.promotion.cause}")
