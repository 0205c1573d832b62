"""Rehearse the migrations of a checkout on a throwaway PostgreSQL: up, back and up again, with rows in every table.

Says of each revision, and of the whole path, whether it can be taken back without losing a row, and whether the release before could live
on the new schema. Nothing outside of the throwaway server is touched; the exit code is 0 whatever the verdict.
"""

import json
from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from deployments import checkouts, tables
from deployments.checkouts import Rules
from promoter import config, dependencies, postgres
from promoter.config.problems import did_you_mean
from promoter.errors import ConfigurationError
from promoter.records import Rehearsal
from promoter.schema import migrations
from promoter.schema.rehearsal import rehearse_with
from promoter.schema.runners import SubprocessRunner, standing
from promoter.settings import Settings

COMPATIBLE = {True: "yes", False: "no", None: "unknown: the upgrade does not get there"}


def arguments(parser: ArgumentParser) -> None:
    """Declare what the verb takes."""
    parser.add_argument("--repo", type=Path, default=Path(), metavar="PATH", help="the checkout (this folder)")
    parser.add_argument(
        "--from",
        nargs="+",
        default=(),
        dest="start",
        metavar="REVISION",
        help="the heads to start from, for example those of the live database (an empty database)",
    )
    parser.add_argument(
        "--service", metavar="NAME", help="the service file to go by (what the checkout says of itself)"
    )
    parser.add_argument("--json", action="store_true", dest="as_json", help="print everything, as JSON")


def run(*, repo: Path, start: Sequence[str], service: str | None, as_json: bool) -> None:
    """Print what came of it."""
    checkout = repo.resolve()
    found = rehearsed(checkout, _rules(checkout, service), tuple(sorted(set(start))))
    if as_json:
        print(json.dumps(asdict(found), indent=2))  # noqa: T201
    else:
        _show(found)


def rehearsed(checkout: Path, rules: Rules, before: tuple[str, ...]) -> Rehearsal:
    """Rehearse what `checkout` has beyond the heads `before`.

    Raises ConfigurationError for a revision that it does not have, SchemaError and ChecksError for a checkout that cannot be rehearsed.
    """
    _know(migrations.script(checkout, rules.migrations), before)
    target = dependencies.environment(
        checkout, rules.dependencies, cache=Settings().cache, groups=rules.dependencies.groups
    )
    variables = {**target.variables(checkout / rules.migrations.directory), **rules.variables}
    with postgres.temporary_server() as server, standing(target.python, variables) as launch:
        runner = SubprocessRunner(target.python, checkout, rules.migrations, variables, rules.templates, launch)
        return rehearse_with(runner, server, before)


def _rules(checkout: Path, service: str | None) -> Rules:
    if not checkout.is_dir():
        raise ConfigurationError(f"{checkout} is no folder", hint="--repo takes the folder of a checkout.")
    if service is None:
        return checkouts.of_checkout(checkout)
    return checkouts.of_service(config.find(service, Settings().services))


def _know(script: migrations.Script, ids: tuple[str, ...]) -> None:
    for unknown in ids:
        if unknown not in script.by_id:
            raise ConfigurationError(
                f"{script.directory} has no revision {unknown!r}; its heads are {', '.join(script.heads) or 'none'}",
                hint=did_you_mean(unknown, script.by_id) or "--from takes whole revision ids.",
            )


def _show(found: Rehearsal) -> None:
    if found.revisions:
        cells = [[one.revision, one.verdict, one.detail] for one in found.revisions]
        tables.rows(Console(), ("revision", "verdict", "detail"), cells)
    lines = [
        f"{', '.join(found.before) or 'empty'} → {', '.join(found.after) or 'empty'}: {found.verdict}",
        found.detail,
        f"the release before can live on the new schema: {COMPATIBLE[found.old_release_compatible]}",
        *(f"  {obstacle}" for obstacle in found.obstacles),
    ]
    print("\n".join(lines))  # noqa: T201
