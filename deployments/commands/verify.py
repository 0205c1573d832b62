"""Look now, as the clock does, whether every environment still runs what was released there, and is well.

The flow runs where the Prefect worker is. A release that is well again may be promoted further from then on.
"""

from argparse import ArgumentParser

from deployments import runs
from promoter import config
from promoter.errors import HealthError, PromoterError
from promoter.settings import Settings


def arguments(parser: ArgumentParser) -> None:
    """Declare what the verb takes."""
    parser.add_argument("--service", metavar="NAME", help="one service, as its file is called (all of them)")


def run(*, service: str | None) -> None:
    """Start the look, wait for its end, and print what came of it; raise HealthError where an environment is unwell."""
    if service is not None:
        config.find(service, Settings().services)
    ended = runs.wait(runs.start("verify-health", "verify-health", {"service": service}))
    if ended["type"] != "COMPLETED":
        raise PromoterError(f"the look ended as {ended['name']}: {ended['message']}")
    print(ended["message"])  # noqa: T201
    if ended["name"] != "Well":
        raise HealthError(
            ended["message"], hint="The table `verify-health` among Prefect's artifacts says what was found."
        )
