"""The service's own interpreter answers, or its silence is explained."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from promoter.errors import SchemaError
from promoter.schema import runners

UP = 'op.execute("CREATE TABLE a (id int)")'


def test_the_pending_sql_is_written_without_touching_anything(project: Any, database: Any, execute: Any) -> None:
    """From given heads to the checkout's, as text."""
    project.revision("one", None, "raise AssertionError")
    project.revision("two", "one", UP)

    answer = project.runner().run("sql", ["heads"], database, start=["one"])

    assert "CREATE TABLE a" in answer.sql
    assert "version_num='two'" in answer.sql
    assert execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'") == []


def test_an_interpreter_that_is_missing_is_named(project: Any, database: Any) -> None:
    """Before anything happened to the database."""
    runner = replace(project.runner(), python=Path("/nowhere/python"), launch=runners.launch)

    with pytest.raises(SchemaError, match="/nowhere/python"):
        runner.run("upgrade", ["heads"], database)


def test_an_environment_that_exits_is_an_answer(project: Any, database: Any) -> None:
    """`sys.exit` in an env.py is an error like others; what it prints is no answer."""
    project.revision("one", None)
    (project.path / "alembic" / "env.py").write_text("import sys\nprint('{\"ok\": true}')\nsys.exit('no settings')")

    answer = project.runner().run("upgrade", ["heads"], database)

    assert (answer.ok, answer.reason) == (False, "SystemExit: no settings")


def test_a_process_that_vanishes_is_no_answer(project: Any, database: Any) -> None:
    """Neither yes nor no; the last lines of its output are shown, and the same call may succeed later."""
    project.revision("one", None)
    (project.path / "alembic" / "env.py").write_text("import os\nprint('going', flush=True)\nos._exit(3)")
    runner = replace(project.runner(), launch=runners.launch)

    with pytest.raises(SchemaError, match=r"(?s)exit code 3.*going") as caught:
        runner.run("upgrade", ["heads"], database)

    assert caught.value.transient


def test_a_migration_that_hangs_is_given_up(project: Any, database: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Outside of the database nothing but the process limit ends it."""
    monkeypatch.setattr(runners, "STARTUP", 1.0)
    project.revision("one", None, "import time; time.sleep(60)")

    with pytest.raises(SchemaError, match="without an answer"):
        project.runner(timeout=0.1).run("upgrade", ["heads"], database)


def test_an_interpreter_that_does_not_start_cannot_stand() -> None:
    """Its own words are the error."""
    with (
        pytest.raises(SchemaError, match="No module named"),
        runners.standing(Path(sys.executable), {"PYTHONHOME": "/nowhere"}),
    ):
        pass


def test_the_modules_beside_the_runner_hide_nothing(project: Any, database: Any) -> None:
    """The standard library's `secrets` is what an env.py gets, not ours."""
    project.revision("one", None, "import secrets; assert secrets.token_hex(4)")
    runner = replace(project.runner(), launch=runners.launch)

    answer = runner.run("upgrade", ["heads"], database)

    assert (answer.ok, answer.ran) == (True, ("one",))
