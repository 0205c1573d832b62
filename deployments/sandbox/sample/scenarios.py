"""What the next commit of the sample service can be: good, or wrong in exactly one way."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from deployments.sandbox.sample import faults, schema_changes
from deployments.sandbox.sample.tree import Files, template

GREETING = re.compile(r'^GREETING = ".*"$', re.MULTILINE)


class Scenario(StrEnum):
    """How a commit turns out. Whatever is wrong passes every stage before the one that has to notice it."""

    GOOD = "good"
    CRASH_AT_START = "crash-at-start"
    """The container ends with exit code 3, and says why."""
    HEALTH_500 = "health-500"
    """The health check is answered with 500."""
    WRONG_VERSION = "wrong-version"
    """The answer says `v1.0.0`."""
    EMPTY_VERSION = "empty-version"
    """The answer says ""."""
    SLOW_START = "slow-start"
    """Good, but it answers `faults.SLOW_SECONDS` later."""
    LOSES_DATABASE = "loses-database"
    """Healthy twice, then 503: the database is out of reach."""
    FAILING_TEST = "failing-test"
    STALE_LOCK = "stale-lock"
    """`poetry.lock` does not fit `pyproject.toml`."""
    NEW_MIGRATION = "new-migration"
    """Good, with a column more; lossless both ways."""
    LOSSY_MIGRATION = "lossy-migration"
    """Good, with a column less; the way back restores it empty. Possible four times in one history."""
    UNSAFE_MIGRATION = "unsafe-migration"
    """The same, and nobody says that it is meant."""
    BROKEN_MIGRATION = "broken-migration"
    """The migration fails wherever ENVIRONMENT is neither unset nor `local` nor `test`."""
    IRREVERSIBLE = "irreversible"
    """Good, with a column more; the way back does nothing and calls it success."""
    HANGS = "hangs"
    """Connections are accepted and never answered."""


@dataclass(frozen=True)
class Change:
    """The next commit."""

    message: str
    """A Conventional Commits message."""
    files: Files
    """The whole tree."""


@dataclass(frozen=True)
class _Plot:
    message: str
    change: Callable[[Files, int], Files]


def _fault(fault: tuple[faults.Edit, ...]) -> Callable[[Files, int], Files]:
    return lambda files, _: faults.make(fault, files)


PLOTS = {
    Scenario.GOOD: _Plot("feat: greet in other words", lambda files, _: files),
    Scenario.CRASH_AT_START: _Plot("feat: sign the notes", _fault(faults.CRASH_AT_START)),
    Scenario.HEALTH_500: _Plot("feat: tell the age of the build", _fault(faults.HEALTH_500)),
    Scenario.WRONG_VERSION: _Plot("refactor: read the version of the release", _fault(faults.WRONG_VERSION)),
    Scenario.EMPTY_VERSION: _Plot("refactor: tell the version of releases only", _fault(faults.EMPTY_VERSION)),
    Scenario.SLOW_START: _Plot("perf: warm the cache before the start", _fault(faults.SLOW_START)),
    Scenario.LOSES_DATABASE: _Plot("perf: watch the database over open connections", _fault(faults.LOSES_DATABASE)),
    Scenario.FAILING_TEST: _Plot("feat: list the notes by title", _fault(faults.FAILING_TEST)),
    Scenario.STALE_LOCK: _Plot("build: bring our own time zones", _fault(faults.STALE_LOCK)),
    Scenario.NEW_MIGRATION: _Plot("feat: let notes say more", schema_changes.add_column),
    Scenario.LOSSY_MIGRATION: _Plot("refactor: forget what nobody reads", schema_changes.drop_column),
    Scenario.UNSAFE_MIGRATION: _Plot("refactor: drop a column", schema_changes.drop_column_silently),
    Scenario.BROKEN_MIGRATION: _Plot("feat: name an owner for every note", schema_changes.add_broken),
    Scenario.IRREVERSIBLE: _Plot("feat: make notes easy to search", schema_changes.add_without_way_back),
    Scenario.HANGS: _Plot("fix: answer one request at a time", _fault(faults.HANGS)),
}


def play(scenario: Scenario, files: Files, number: int) -> Change:
    """Return the commit that makes `scenario` of the tree `files`, whatever an earlier scenario did to it.

    `number` makes it another than all others. Earlier mistakes are mended, earlier migrations stay, unless they cannot run.
    Raises ValueError where `files` are not those of the sample service.
    """
    plot = PLOTS[scenario]
    whole = schema_changes.take_back_broken(faults.mend(files))
    greeted = GREETING.sub(f'GREETING = "Write it down. This is change {number}."', whole["app/main.py"])
    return Change(plot.message, plot.change({**whole, "app/main.py": greeted}, number))


def replay(*scenarios: Scenario) -> Files:
    """Return the tree after `scenarios`, one commit each, from the first version on."""
    files = template()
    for number, scenario in enumerate(scenarios, start=2):
        files = play(scenario, files, number).files
    return files
