"""Show what runs where, since when and by whom: version, commit, digest, task definition, schema, health, lease, freeze, hold."""

import json
import logging
from argparse import ArgumentParser

from rich.console import Console

from deployments import place, survey, tables


def arguments(parser: ArgumentParser) -> None:
    """Declare what the verb takes."""
    place.arguments(parser, environments="any")
    parser.add_argument(
        "--json", action="store_true", dest="as_json", help="print everything, as JSON: a list of environments"
    )


def run(*, environment: str | None, service: str | None, as_json: bool) -> None:
    """Look, and print what was found; what cannot be reached is said."""
    logging.getLogger("prefect").setLevel(logging.WARNING)
    found = place.find(service, environment)
    surveys = survey.survey(found, list(found.environments) if environment is None else [environment])
    if as_json:
        print(json.dumps([survey.as_json(one) for one in surveys], indent=2))  # noqa: T201
    else:
        tables.facts(Console(), {one.environment: survey.as_facts(one) for one in surveys})
