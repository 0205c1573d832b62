"""The service's own tests and migrations, in its locked environment, on a real database."""

from collections.abc import Callable
from pathlib import Path

import pytest

from deployments.sandbox.sample.scenarios import Scenario, replay
from deployments.sandbox.sample.tree import Files
from promoter.shell import Output, run

Checkout = Callable[[Files], tuple[Path, dict[str, str]]]
TEST = ("pytest", "-p", "no:cacheprovider", "--junitxml=junit.xml", "--cov=app", "--cov-report=xml")
SCHEMA_CHANGES = (Scenario.NEW_MIGRATION, Scenario.LOSSY_MIGRATION, Scenario.IRREVERSIBLE, Scenario.BROKEN_MIGRATION)


@pytest.mark.parametrize(
    "scenarios",
    [
        pytest.param((*SCHEMA_CHANGES, *SCHEMA_CHANGES), id="schema changes"),
        pytest.param((Scenario.HEALTH_500,), id="health-500"),
        pytest.param((Scenario.EMPTY_VERSION,), id="empty-version"),
        pytest.param((Scenario.LOSES_DATABASE,), id="loses-database"),
    ],
)
def test_what_fails_later_passes_the_tests(checkout: Checkout, scenarios: tuple[Scenario, ...]) -> None:
    """The service's own tests are green on a database that they migrate from empty, and write their reports."""
    folder, variables = checkout(replay(*scenarios))

    run(TEST, cwd=folder, env=variables, timeout=120)

    assert {"junit.xml", "coverage.xml"} <= {path.name for path in folder.iterdir()}


def test_a_failing_test_fails(checkout: Checkout) -> None:
    """The order of the notes is another, and one test says so."""
    folder, variables = checkout(replay(Scenario.FAILING_TEST))

    output = run(TEST, cwd=folder, env=variables, timeout=120, check=False)

    assert output.code == 1
    assert "FAILED tests/test_notes.py::test_the_newest_note_comes_first" in output.stdout


def test_migrations_go_up_and_back(checkout: Checkout) -> None:
    """Two columns more, one less, the whole way back to nothing, and up again."""
    place = checkout(replay(Scenario.NEW_MIGRATION, Scenario.NEW_MIGRATION, Scenario.LOSSY_MIGRATION))

    codes = [alembic(place, *way).code for way in (("upgrade", "head"), ("downgrade", "base"), ("upgrade", "head"))]

    assert codes == [0, 0, 0]


def test_an_irreversible_migration_leaves_its_column(checkout: Checkout) -> None:
    """The way back calls itself a success; going up again fails on what it left."""
    place = checkout(replay(Scenario.IRREVERSIBLE))

    outputs = [alembic(place, *way) for way in (("upgrade", "head"), ("downgrade", "-1"), ("upgrade", "head"))]

    assert [output.code for output in outputs] == [0, 0, 1]
    assert "DuplicateColumn" in outputs[-1].stderr


def test_a_broken_migration_fails_in_an_environment_only(checkout: Checkout) -> None:
    """It passes in the tests, and leaves nothing behind where it fails."""
    place = checkout(replay(Scenario.BROKEN_MIGRATION))

    failed = alembic(place, "upgrade", "head", ENVIRONMENT="dev")
    passed = alembic(place, "upgrade", "head", ENVIRONMENT="test")

    assert (failed.code, passed.code) == (1, 0)
    assert "no owner is known for the notes of dev" in failed.stderr


def alembic(place: tuple[Path, dict[str, str]], *arguments: str, **variables: str) -> Output:
    """Run one Alembic command as a person would."""
    folder, environment = place
    return run(["alembic", *arguments], cwd=folder, env=environment | variables, timeout=120, check=False)
