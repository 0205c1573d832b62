"""Let an environment take no promotion until somebody unfreezes it. What is under way there goes on to its end."""

from argparse import ArgumentParser

from deployments import place
from promoter.errors import ConfigurationError
from promoter.ledger import environments, leases, schema
from promoter.ledger.connection import connect
from promoter.settings import Settings


def arguments(parser: ArgumentParser) -> None:
    """Declare what the verb takes."""
    place.arguments(parser)
    parser.add_argument("--reason", required=True, metavar="TEXT", help="why; whoever promotes meanwhile is told")


def run(*, environment: str, service: str | None, reason: str) -> None:
    """Freeze it, in the name of the user."""
    settings, found = Settings(), place.find(service, environment)
    if not reason.strip():
        raise ConfigurationError("--reason is empty", hint="Say why: whoever promotes meanwhile is told.")
    with connect(settings) as ledger:
        schema.check(ledger)
        leases.freeze(ledger, found.name, environment, reason=reason.strip(), by=settings.user)
        holder = environments.standing(ledger, found.name, environment).holder
    print(f"{found.name}/{environment} is frozen: {reason.strip()}")  # noqa: T201
    if holder is not None:
        print(f"promotion {holder.promotion} is under way there and goes on to its end")  # noqa: T201
