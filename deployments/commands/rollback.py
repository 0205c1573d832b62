"""Bring an environment back to a version that was once verified in it. The schema is considered before anything moves."""

from argparse import ArgumentParser

from deployments import place, runs
from deployments.commands.promote import follow
from promoter import rollbacks
from promoter.ledger.connection import connect
from promoter.settings import Settings


def arguments(parser: ArgumentParser) -> None:
    """Declare what the verb takes."""
    place.arguments(parser)
    parser.add_argument("--to", metavar="VERSION", help="a version that was verified there (the one before)")
    parser.add_argument("--with-downgrade", action="store_true", help="take the schema back too")
    parser.add_argument("--plan", action="store_true", help="say what would be done, and do nothing")


def run(*, environment: str, service: str | None, to: str | None, with_downgrade: bool, plan: bool) -> None:
    """Start the rollback and follow it to its end, or print its plan."""
    found = place.find(service, environment)
    if not plan:
        follow(runs.roll_back(found, environment, to, with_downgrade=with_downgrade, by=Settings().user))
        return
    from tasks.rollback import choose, read_plan  # noqa: PLC0415 - brings Prefect and AWS with it

    with connect() as ledger:
        target = choose(ledger, found.name, environment, to)
    decided = read_plan(found, environment, target, with_downgrade=with_downgrade)
    print("\n".join(rollbacks.describe(decided, environment)))  # noqa: T201
