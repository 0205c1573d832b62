"""Let an environment take promotions again."""

from argparse import ArgumentParser

from deployments import place
from deployments.tables import when
from promoter.ledger import leases, schema
from promoter.ledger.connection import connect
from promoter.ledger.leases import Freeze


def arguments(parser: ArgumentParser) -> None:
    """Declare what the verb takes."""
    place.arguments(parser)


def run(*, environment: str, service: str | None) -> None:
    """Unfreeze it, and say what ended."""
    found = place.find(service, environment)
    with connect() as ledger:
        schema.check(ledger)
        freeze = leases.unfreeze(ledger, found.name, environment)
    print(f"{found.name}/{environment} {_ended(freeze)}")  # noqa: T201


def _ended(freeze: Freeze | None) -> str:
    if freeze is None:
        return "is not frozen"
    return f"takes promotions again; it was frozen since {when(freeze.since)} by {freeze.by}: {freeze.reason}"
