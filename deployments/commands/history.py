"""Show every promotion to an environment, the newest first: version, commit, outcome, cause, and who asked for it."""

import json
from argparse import ArgumentParser

from rich.console import Console

from deployments import place, tables
from deployments.documents import as_entry
from promoter.ledger import history, schema
from promoter.ledger.connection import connect
from promoter.ledger.history import Entry

COLUMNS = ("version", "commit", "branch", "outcome", "by", "started", "seconds", "cause")


def arguments(parser: ArgumentParser) -> None:
    """Declare what the verb takes."""
    place.arguments(parser)
    parser.add_argument("--limit", type=int, default=20, metavar="N", help="how many (%(default)s)")
    parser.add_argument("--json", action="store_true", dest="as_json", help="print everything, as JSON: a list")


def run(*, environment: str, service: str | None, limit: int, as_json: bool) -> None:
    """Print what the ledger knows."""
    found = place.find(service, environment)
    with connect() as ledger:
        schema.check(ledger)
        entries = history.of(ledger, found.name, environment, max(limit, 0))
    if as_json:
        print(json.dumps([as_entry(entry) for entry in entries], indent=2))  # noqa: T201
    elif entries:
        tables.rows(Console(), COLUMNS, [_row(entry) for entry in entries])
    else:
        print(f"nothing was promoted to {found.name}/{environment} yet")  # noqa: T201


def _row(entry: Entry) -> list[str]:
    outcome = entry.outcome or ("verified" if entry.verified else "under way")
    return [
        entry.version or "",
        entry.commit[:12],
        entry.branch,
        outcome + (" (rollback)" if entry.rollback_to else " (forced)" if entry.forced else ""),
        entry.by,
        tables.when(entry.started),
        "" if entry.seconds is None else f"{entry.seconds:.1f}",
        (entry.cause or "").partition("\n")[0],
    ]
