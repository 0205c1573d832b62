"""Each scenario changes the sources in its own way, and the next commit mends it."""

import subprocess
import sys
from pathlib import Path

import pytest

from deployments.sandbox.sample.scenarios import Scenario, play, replay
from deployments.sandbox.sample.schema_changes import heads
from deployments.sandbox.sample.tree import TEMPLATE, template, write
from promoter.config import Dependencies
from promoter.dependencies import check_lock
from promoter.errors import ChecksError

LASTING = (Scenario.NEW_MIGRATION, Scenario.LOSSY_MIGRATION, Scenario.IRREVERSIBLE)
EACH = pytest.mark.parametrize("scenario", list(Scenario), ids=str)


@pytest.mark.parametrize(
    "command", [["check", "--no-cache"], ["format", "--no-cache", "--check"]], ids=lambda argv: argv[0]
)
def test_every_scenario_is_well_formed(tmp_path: Path, command: list[str]) -> None:
    """No scenario stops at code quality, alone or after all others."""
    write(replay(*Scenario), tmp_path / "all")
    for scenario in Scenario:
        write(replay(scenario), tmp_path / scenario)

    done = subprocess.run(
        [sys.executable, "-m", "ruff", *command, tmp_path], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, ""), done.stdout


@EACH
def test_a_good_commit_mends_the_one_before(scenario: Scenario) -> None:
    """After any scenario a good commit leaves what it does after none; only migrations that can run stay."""
    mended = replay(scenario, Scenario.GOOD)
    kept = replay(scenario) if scenario in LASTING else template()

    assert mended.keys() == kept.keys()
    assert {path for path in mended if mended[path] != kept[path]} == {"app/main.py"}


@EACH
def test_a_scenario_can_come_again(scenario: Scenario) -> None:
    """The same scenario twice makes two trees, and its migrations one line."""
    once, twice = replay(scenario), replay(scenario, scenario)

    assert once != twice
    assert len(heads(twice)) == 1


def test_four_columns_can_be_lost_and_no_fifth() -> None:
    """The first import left four."""
    files = replay(*[Scenario.LOSSY_MIGRATION] * 4)

    with pytest.raises(ValueError, match="no column left"):
        play(Scenario.LOSSY_MIGRATION, files, 9)


def test_a_revision_after_two_heads_joins_them() -> None:
    """Two branches that both brought a migration are one again with the next."""
    ours, theirs = replay(Scenario.NEW_MIGRATION), replay(Scenario.GOOD, Scenario.LOSSY_MIGRATION)
    merged = {**theirs, **ours}

    joined = play(Scenario.IRREVERSIBLE, merged, 9).files

    assert len(heads(merged)) == 2
    assert len(heads(joined)) == 1


@pytest.mark.parametrize("scenario", [Scenario.CRASH_AT_START, Scenario.SLOW_START, Scenario.HANGS], ids=str)
def test_what_only_a_container_does_is_in_its_entry(scenario: Scenario) -> None:
    """The service's tests never import `app.__main__`, so they cannot notice."""
    changed = {path for path, text in replay(scenario).items() if text != template().get(path)}

    assert changed == {"app/main.py", "app/__main__.py"}


def test_a_stale_lock_is_noticed(tmp_path: Path) -> None:
    """Poetry sees that the lock file is older than what it locks."""
    rule = Dependencies(tool="poetry")
    check_lock(TEMPLATE, rule)

    with pytest.raises(ChecksError, match="does not fit"):
        check_lock(write(replay(Scenario.STALE_LOCK), tmp_path), rule)


def test_the_lock_file_names_no_host() -> None:
    """It is the same wherever its packages come from."""
    assert "://" not in template()["poetry.lock"]
