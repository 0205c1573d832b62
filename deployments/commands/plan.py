"""Say what a promotion would do to the schema of its environment, and whether there is a way back. Nothing is changed.

The pending migrations are rehearsed here, on a throwaway database; the environment's own database is only asked where it stands.
"""

import json
from argparse import ArgumentParser
from dataclasses import asdict

from deployments import place
from deployments.documents import plain
from promoter.schema import plan_text


def arguments(parser: ArgumentParser) -> None:
    """Declare what the verb takes."""
    parser.add_argument("branch", help="the branch that the commit is promoted on")
    parser.add_argument("--service", metavar="NAME", help="the service, as its file is called (the only one)")
    parser.add_argument("--commit", metavar="SHA", help="the commit (the head of the branch)")
    parser.add_argument("--json", action="store_true", dest="as_json", help="print everything, as JSON")


def run(*, branch: str, service: str | None, commit: str | None, as_json: bool) -> None:
    """Print the plan of one commit."""
    from tasks.schema import read_plan  # noqa: PLC0415 - brings Prefect and AWS with it

    found = read_plan(place.find(service, None), branch, commit)
    print(json.dumps(plain(asdict(found)), indent=2) if as_json else "\n".join(plan_text.describe(found)))  # noqa: T201
