"""All checks of a service, on real parts: a uv project with Alembic, PostgreSQL and pytest."""

import os
import subprocess
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest
from uv import find_uv_bin

from promoter.checks import FailedChecksError, run_checks
from promoter.config import Service
from promoter.errors import ChecksError
from promoter.records import TestReport, Version

NEEDS = [f"{name}=={version(name)}" for name in ("alembic", "psycopg", "psycopg-binary", "pytest", "sqlalchemy")]
PROJECT = f"""
[project]
name = "target"
version = "0.1.0"
requires-python = ">=3.11"
dependencies = {NEEDS}
"""
ALEMBIC = "[alembic]\nscript_location = migrations\n"
ENV = """
import os
from alembic import context
from sqlalchemy import create_engine
with create_engine(os.environ["DATABASE_URL"]).connect() as connection:
    context.configure(connection)
    with context.begin_transaction():
        context.run_migrations()
"""
MIGRATION = """
from alembic import op
import sqlalchemy as sa
revision, down_revision = "add_things", None
def upgrade():
    op.create_table("thing", sa.Column("id", sa.Integer, primary_key=True))
"""
TESTS = """
import os, psycopg
import shop
def test_the_table_is_there():
    with psycopg.connect() as connection:
        assert connection.execute("SELECT count(*) FROM thing").fetchone() == (0,)
def test_the_code_is_imported():
    assert shop.PRICE == 7
def test_variables():
    assert os.environ["MODE"] == "test" and "PROMOTER_SECRET" not in os.environ
"""
COVER = "import pathlib; pathlib.Path('coverage.xml').write_text('<coverage line-rate=\"0.5\"/>')"
NAMED = Version("v1.0.3-test", "1.0.3-test", "v1.0.0", "a" * 40, "test", "")

Maker = Callable[..., Service]


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return one cache for all tests of this process: one environment is made."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def lock(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the lock file of the project."""
    folder = tmp_path_factory.mktemp("lock")
    (folder / "pyproject.toml").write_text(PROJECT)
    subprocess.run([find_uv_bin(), "lock", "--quiet"], cwd=folder, check=True)
    return (folder / "uv.lock").read_text()


@pytest.fixture
def checkout(tmp_path: Path, lock: str) -> Path:
    """Return the sources of a service whose checks pass."""
    files = {
        "pyproject.toml": PROJECT,
        "uv.lock": lock,
        "alembic.ini": ALEMBIC,
        "migrations/env.py": ENV,
        "migrations/versions/add_things.py": MIGRATION,
        "shop.py": "PRICE = 7\n",
        "tests/test_shop.py": TESTS,
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.fixture
def service(make_service: Maker) -> Maker:
    """Return a maker of services whose `[checks]` are changed by keywords."""

    def make(**checks: object) -> Service:
        return make_service(
            dependencies={"tool": "uv"},
            database={"variables": {"DATABASE_URL": "postgresql+psycopg://"}},
            checks={
                "test": ["pytest", "-q", "--junit-xml=junit.xml", "-p", "no:cacheprovider"],
                "quality": [["python", "-c", COVER]],
                "junit": "junit.xml",
                "variables": {"MODE": "test"},
                **checks,
            },
        )

    return make


def failed(checkout: Path, service: Service, cache: Path) -> FailedChecksError:
    """Return the error of checks that fail."""
    with pytest.raises(FailedChecksError) as raised:
        run_checks(checkout, service, cache=cache, version=NAMED)
    return raised.value


def test_good_sources_pass(checkout: Path, service: Maker, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Migrated from empty, tested in the service's own environment, none of our secrets in sight, counted."""
    monkeypatch.setenv("PROMOTER_SECRET", "ours")
    cover = ["sh", "-c", 'pytest -q --junit-xml=junit.xml && python -c "$0"', COVER]

    report = run_checks(checkout, service(test=cover, coverage="coverage.xml"), cache=cache)

    assert report == TestReport(passed=3, failed=0, skipped=0, seconds=report.seconds, coverage=0.5)


def test_a_failing_test_is_named_with_its_message(checkout: Path, service: Maker, cache: Path) -> None:
    """The error says which release, which test and why; the report counts all."""
    (checkout / "shop.py").write_text("PRICE = 8\n")

    error = failed(checkout, service(), cache)

    assert error.message.startswith(
        "api v1.0.3-test: 1 of 3 tests fail:\n  tests.test_shop::test_the_code_is_imported\n    assert 8 == 7"
    )
    assert (error.report.passed, error.report.failed, error.exit_code) == (2, 1, 6)


def test_a_swallowed_failure_is_one(checkout: Path, service: Maker, cache: Path) -> None:
    """`|| true` hides the exit code, not the report."""
    (checkout / "shop.py").write_text("PRICE = 8\n")
    command = ["sh", "-c", "pytest -q --junit-xml=junit.xml || true"]

    assert failed(checkout, service(test=command), cache).report.failed == 1


def test_no_test_is_a_failure(checkout: Path, service: Maker, cache: Path) -> None:
    """Nothing failed because nothing ran."""
    (checkout / "tests" / "test_shop.py").write_text("import pytest\n@pytest.mark.skip\ndef test_later(): pass\n")

    assert "no test ran, 1 were skipped" in failed(checkout, service(), cache).message


def test_an_old_report_is_not_read(checkout: Path, service: Maker, cache: Path) -> None:
    """A report that lies in the repository is nobody's result."""
    (checkout / "junit.xml").write_text('<testsuite><testcase name="old"/></testsuite>')

    with pytest.raises(ChecksError, match=r"junit\.xml: the report cannot be read"):
        run_checks(checkout, service(test=["true"]), cache=cache)


def test_a_test_command_that_breaks_off_says_what_it_said(checkout: Path, service: Maker, cache: Path) -> None:
    """No report, an exit code, and the last lines."""
    command = ["python", "-c", "import os; print('no memory for', os.environ['PGPASSWORD']); exit(9)"]

    message = failed(checkout, service(test=command), cache).message

    assert "ended with exit code 9" in message
    assert "no memory for ***" in message


def test_code_quality_stops_before_the_tests(checkout: Path, service: Maker, cache: Path) -> None:
    """The report holds the command and what it said."""
    rule = service(quality=[["python", "-c", "print('shop.py:1: too dear'); exit(1)"]], test=["touch", "ran"])

    error = failed(checkout, rule, cache)

    assert "shop.py:1: too dear" in error.report.failures[0].message
    assert not (checkout / "ran").exists()


def test_a_migration_that_does_not_run_on_an_empty_database_stops(checkout: Path, service: Maker, cache: Path) -> None:
    """The error holds what Alembic said."""
    migration = checkout / "migrations" / "versions" / "add_things.py"
    migration.write_text(MIGRATION.replace("op.create_table(", "op.execute('SELECT 1/0') or ("))

    message = failed(checkout, service(), cache).message

    assert "the migrations do not run on an empty database" in message
    assert "division by zero" in message


def test_a_stale_lock_stops_before_anything_runs(checkout: Path, service: Maker, cache: Path) -> None:
    """Nothing is installed, migrated or tested."""
    (checkout / "pyproject.toml").write_text(PROJECT + '[dependency-groups]\nx = ["pluggy"]\n')

    with pytest.raises(ChecksError, match=r"uv\.lock does not fit"):
        run_checks(checkout, service(test=["touch", "ran"]), cache=cache)
    assert not (checkout / "ran").exists()


def test_a_command_that_takes_too_long_is_ended_with_its_children(checkout: Path, service: Maker, cache: Path) -> None:
    """The whole process group goes."""
    command = ["sh", "-c", "sleep 300 & echo $! > child; wait"]

    with pytest.raises(ChecksError, match="was ended after 1 s"):
        run_checks(checkout, service(test=command, timeout=1, quality=[]), cache=cache)

    child = int((checkout / "child").read_text())
    for _ in range(100):
        try:
            os.kill(child, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    pytest.fail("the child lives on")


def test_a_missing_command_or_folder_is_named(checkout: Path, service: Maker, cache: Path) -> None:
    """What cannot run is no failing test."""
    with pytest.raises(ChecksError, match="`no-such-program` cannot be started"):
        run_checks(checkout, service(test=["no-such-program"]), cache=cache)
    with pytest.raises(ChecksError, match="nowhere is no folder of the repository"):
        run_checks(checkout, service(directory="nowhere"), cache=cache)
