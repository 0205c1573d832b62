"""Look at everything that a promotion needs, line by line: OK, NG with what to do, or SKIP with the reason. Nothing is changed."""

import json
import logging
from argparse import ArgumentParser
from dataclasses import asdict

from deployments.doctor import installation
from deployments.doctor import service as of_service
from deployments.doctor.examination import examine
from promoter import config
from promoter.errors import PromoterError
from promoter.settings import Settings


def arguments(parser: ArgumentParser) -> None:
    """Declare what the verb takes."""
    parser.add_argument("--service", metavar="NAME", help="one service, as its file is called (all of them)")
    parser.add_argument("--json", action="store_true", dest="as_json", help="print everything, as JSON: a list")


def run(*, service: str | None, as_json: bool) -> None:
    """Print what was found; raise PromoterError where anything is NG."""
    logging.getLogger("prefect").setLevel(logging.WARNING)
    folder = Settings().services
    services = config.load_all(folder) if service is None else [config.find(service, folder)]
    found = examine([*installation.checks(services), *(check for one in services for check in of_service.checks(one))])
    if as_json:
        results = list(found)
        print(json.dumps([asdict(one) for one in results], indent=2))  # noqa: T201
    else:
        results = []
        for one in found:
            print("\n".join(one.lines()), flush=True)  # noqa: T201
            results.append(one)
    wrong = sum(one.outcome == "NG" for one in results)
    if wrong:
        raise PromoterError(f"{wrong} of {len(results)} are NG")
