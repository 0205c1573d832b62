"""A task's words become an answer, and our settings reach its sessions; what real tasks do is in tests/tasks/test_migration_tasks.py."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import asyncpg
import psycopg
import pytest

from promoter.config import Migrations
from promoter.ecs.one_off import Ended
from promoter.ecs.state import ContainerState, TaskState
from promoter.errors import SchemaError
from promoter.schema.revisions import script
from promoter.schema.runners import APPLICATION_NAME, session_settings
from promoter.schema.task_runner import TaskRunner, as_options, as_query

SETTINGS = session_settings(Migrations(lock_timeout=2, timeout=60))
SHOW = "SELECT string_agg(current_setting(name), ' ' ORDER BY name) FROM unnest($1::text[]) AS name"
SHOWN = f"{APPLICATION_NAME} 1s 2s 1min"
TASK = TaskState(
    arn="arn:aws:ecs:us-east-2:1:task/c/0123abcd",
    definition="arn:aws:ecs:us-east-2:1:task-definition/app:41",
    deployment="promoter/1",
    last_status="STOPPED",
    desired_status="STOPPED",
    stop_code="EssentialContainerExited",
    stopped_reason="Essential container in task exited",
    containers=(ContainerState("api", 1, ""),),
)


def runner_of(project: Any, **changes: Any) -> TaskRunner:
    """Return a runner that reaches no ECS."""
    parts: dict[str, Any] = {"rule": Migrations(), "service": None, "definition": str, **changes}
    return TaskRunner(checkout=project.path, started_by="promoter/1", purpose="migrate", **parts)


@pytest.fixture
def answer(project: Any) -> Callable[..., Any]:
    """Return what turns a task that ended, and what it said, into an answer; `s3cret-token` is to be hidden."""
    project.revision("one", None)
    runner = runner_of(project, secrets=lambda: ["s3cret-token"])
    found = script(project.path, runner.rule)

    def make(*said: str, **task: Any) -> Any:
        ended = replace(TASK, **task)
        return runner._answer(Ended(ended, ended.containers[0].exit_code, said), found)

    return make


def test_a_failed_migration_is_an_answer_with_its_last_log_lines(answer: Callable[..., Any]) -> None:
    """Exit code, revision, SQLSTATE, the error in one line, then what was said; no secret."""
    found = answer(
        'File "/app/migrations/versions/one.py", line 12, in upgrade',
        "psycopg.errors.UndefinedTable: relation s3cret-token",
        "sqlalchemy.exc.ProgrammingError: (psycopg.errors.UndefinedTable) no relation for s3cret-token",
    )

    assert (found.ok, found.error, found.sqlstate, found.running) == (False, "exit code 1", "42P01", "one")
    assert found.reason.splitlines()[0] == (
        "revision one: exit code 1 (42P01): sqlalchemy.exc.ProgrammingError: (psycopg.errors.UndefinedTable) no relation for ***"
    )
    assert "its last log lines:" in found.reason
    assert "s3cret-token" not in found.reason


def test_a_task_that_never_ran_says_nothing_of_its_migration(answer: Callable[..., Any]) -> None:
    """An image that is not there will not be there next time."""
    reason = "CannotPullContainerError: manifest unknown"

    with pytest.raises(SchemaError, match=r"did not run\n.*manifest unknown") as caught:
        answer(stop_code="TaskFailedToStart", stopped_reason=reason, containers=(ContainerState("api", None, ""),))

    assert not caught.value.transient
    assert "look at its name" in str(caught.value)


def test_what_the_platform_ended_is_tried_again(answer: Callable[..., Any]) -> None:
    """A lost spot instance is no failure of the migration, whatever its exit code."""
    with pytest.raises(SchemaError, match="platform ended") as caught:
        answer(stop_code="SpotInterruption")

    assert caught.value.transient


def test_a_task_writes_no_sql(project: Any, database: Any) -> None:
    """The rehearsal does."""
    runner = runner_of(project)

    with pytest.raises(SchemaError, match="writes no SQL"):
        runner.run("sql", ["heads"], database)


def test_variables_are_filled_in_and_options_added(project: Any) -> None:
    """What the configuration says of PGOPTIONS stays, ours come last and so win."""
    rule = Migrations(variables={"URL": "postgresql+asyncpg:///?dsn=postgresql:///?{settings}"}, lock_timeout=3)
    plain = {"ENVIRONMENT": "dev", "PGOPTIONS": "-c search_path=app"}
    runner = runner_of(project, rule=rule, variables=plain)

    found = runner._variables()

    assert found["ENVIRONMENT"] == "dev"
    assert found["PGOPTIONS"].startswith(
        "-c search_path=app -c application_name=promoter\\ migration -c lock_timeout=3000ms"
    )
    dsn = dict(parse_qsl(urlsplit(found["URL"]).query))["dsn"]
    assert parse_qs(urlsplit(dsn).query)["lock_timeout"] == ["3000ms"]
    assert parse_qs(urlsplit(dsn).query)["application_name"] == [APPLICATION_NAME]


def test_libpq_sends_the_options_with_each_session(database: Any) -> None:
    """psycopg, psycopg2 and psql alike: the sessions bear the name by which an orphan is known."""
    with psycopg.connect(**database.connection(), options=as_options(SETTINGS)) as connection:
        row = connection.execute(SHOW.replace("$1", "%s"), [sorted(SETTINGS)]).fetchone()

    assert row == (SHOWN,)


def test_asyncpg_does_not_read_pgoptions(database: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """But it takes settings from the query of a `dsn`, and what is not said there from the PG variables."""
    for name, value in {**database.variables(), "PGOPTIONS": as_options(SETTINGS)}.items():
        monkeypatch.setenv(name, value)
    query = parse_qsl(f"dsn=postgresql:///?{as_query(SETTINGS)}")[0][1]

    assert asyncio.run(shown("postgresql:///")) != SHOWN
    assert asyncio.run(shown(query)) == SHOWN


async def shown(dsn: str) -> Any:
    """Return what a session of asyncpg says of SETTINGS."""
    connection = await asyncpg.connect(dsn)  # type: ignore[no-untyped-call]
    try:
        return await connection.fetchval(SHOW, sorted(SETTINGS))
    finally:
        await connection.close()
