"""The schema moves to exact revisions and back, or says why not."""

import string
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from pydantic import SecretStr

from promoter.errors import SchemaError
from promoter.records import SchemaChange
from promoter.schema import migrations, runners

CREATE_A, DROP_A = 'op.execute("CREATE TABLE a (id int PRIMARY KEY)")', 'op.execute("DROP TABLE a")'
CREATE_B, DROP_B = 'op.execute("CREATE TABLE b (id int PRIMARY KEY)")', 'op.execute("DROP TABLE b")'
Execute = Callable[[str], list[tuple[Any, ...]]]


def tables(execute: Execute) -> list[str]:
    """Return the tables of the service."""
    rows = execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
    return [row[0] for row in rows if row[0] != "alembic_version"]


def test_an_upgrade_and_its_downgrade_are_swaps(any_project: Any, database: Any, execute: Execute) -> None:
    """Up to the heads, back to nothing, with either kind of driver; each says where it came from."""
    any_project.revision("add_chat_tables", None, CREATE_A, DROP_A)
    any_project.revision("x" * 32, "add_chat_tables", CREATE_B, DROP_B)
    runner = any_project.runner()

    assert migrations.upgrade(runner, database) == SchemaChange(before=(), after=("x" * 32,))
    assert tables(execute) == ["a", "b"]
    assert migrations.downgrade(runner, database, ("add_chat_tables",)).after == ("add_chat_tables",)
    assert tables(execute) == ["a"]
    assert migrations.downgrade(runner, database, ()) == SchemaChange(before=("add_chat_tables",), after=())
    assert tables(execute) == []
    assert migrations.current(database) == migrations.CurrentHeads((), table_exists=True)


def test_a_database_without_version_table_is_told_apart(database: Any) -> None:
    """Nothing was ever migrated here: no heads, and no table either."""
    assert migrations.current(database) == migrations.CurrentHeads((), table_exists=False)


def test_an_unreachable_database_is_no_first_deployment(database: Any) -> None:
    """Where nothing is known, nothing is claimed; the same call may succeed later."""
    with pytest.raises(SchemaError, match="cannot be reached") as caught:
        migrations.heads(replace(database, port=1))

    assert caught.value.transient


def test_an_unknown_revision_stops_before_anything_runs(project: Any, database: Any, execute: Execute) -> None:
    """A database ahead of the checkout is not touched."""
    project.revision("one", None, CREATE_A, DROP_A)
    execute("CREATE TABLE alembic_version (version_num varchar(32)); INSERT INTO alembic_version VALUES ('gone')")

    with pytest.raises(SchemaError, match="gone, which is no revision of this checkout"):
        migrations.upgrade(project.runner(), database)

    assert tables(execute) == []


def test_two_heads_go_up_and_back_to_exactly_the_recorded_heads(project: Any, database: Any, execute: Execute) -> None:
    """Only the branch that grew is taken back; the other one keeps its revision."""
    project.revision("root", None)
    project.revision("left", "root", CREATE_A, DROP_A)
    project.revision("right", "root")
    migrations.upgrade(project.runner(), database)
    project.revision("right2", "right", CREATE_B, DROP_B)
    project.revision("island", None)

    change = migrations.upgrade(project.runner(), database)

    assert change == SchemaChange(before=("left", "right"), after=("island", "left", "right2"))
    assert migrations.downgrade(project.runner(), database, change.before).after == ("left", "right")
    assert migrations.heads(database) == ("left", "right")
    assert tables(execute) == ["a"]


def test_a_merge_revision_is_taken_apart_again(project: Any, database: Any) -> None:
    """A merge goes back to both of the heads that it joined, or to one of them alone."""
    project.revision("root", None)
    project.revision("left", "root")
    project.revision("right", "root")
    project.revision("join", ("left", "right"))
    runner = project.runner()

    assert migrations.upgrade(runner, database).after == ("join",)
    assert migrations.downgrade(runner, database, ("left", "right")).before == ("join",)
    assert migrations.upgrade(runner, database).after == ("join",)
    assert migrations.downgrade(runner, database, ("left",)).after == ("left",)
    assert migrations.heads(database) == ("left",)


def test_a_dependency_hides_a_head(project: Any, database: Any) -> None:
    """A head that another revision depends on is no row of the version table."""
    project.revision("base_a", None)
    project.revision("base_b", None, depends_on="base_a")

    change = migrations.upgrade(project.runner(), database)

    assert change.after == ("base_b",)
    assert migrations.downgrade(project.runner(), database, ()).after == ()


def test_a_failing_migration_says_which_revision_and_why(any_project: Any, database: Any, execute: Execute) -> None:
    """Revision, class, SQLSTATE and message; the transaction took the rest back."""
    any_project.revision("one", None, CREATE_A, DROP_A)
    any_project.revision("two", "one", 'op.execute("ALTER TABLE missing ADD COLUMN x int")')

    with pytest.raises(SchemaError, match=r"revision two: \w+ \(42P01\).*missing") as caught:
        migrations.upgrade(any_project.runner(), database)

    assert not caught.value.transient
    assert tables(execute) == []


def test_a_missing_downgrade_changes_nothing(project: Any, database: Any, execute: Execute) -> None:
    """The whole way back is put together before its first step is taken."""
    project.revision("one", None, CREATE_A, down=None)
    project.revision("two", "one", CREATE_B, DROP_B)
    migrations.upgrade(project.runner(), database)

    with pytest.raises(SchemaError, match="downgrade"):
        migrations.downgrade(project.runner(), database, ())

    assert tables(execute) == ["a", "b"]
    assert migrations.heads(database) == ("two",)


def test_a_target_that_is_not_below_is_refused(project: Any, database: Any) -> None:
    """Another branch is no way back."""
    project.revision("root", None)
    project.revision("left", "root")
    migrations.upgrade(project.runner(), database)
    project.revision("right", "root")

    with pytest.raises(SchemaError, match="no downgrade leads to right"):
        migrations.downgrade(project.runner(), database, ("right",))


def test_nothing_pending_runs_nothing(project: Any, database: Any) -> None:
    """At the heads already: the environment is not even started."""
    project.revision("one", None)
    migrations.upgrade(project.runner(), database)
    runner = replace(project.runner(), python=Path("/nowhere/python"))

    assert migrations.upgrade(runner, database) == SchemaChange(before=("one",), after=("one",))


def test_a_plan_changes_nothing(project: Any, database: Any) -> None:
    """It says from where to where, which is the intent that is recorded."""
    project.revision("one", None, CREATE_A, DROP_A)

    assert migrations.plan(project.runner(), database) == SchemaChange(before=(), after=("one",))
    assert not migrations.current(database).table_exists


def test_any_legal_password_works_and_is_never_shown(any_project: Any, database: Any) -> None:
    """Every printable character of ASCII in one password, by either kind of driver; errors show none of it."""
    password = "".join(character for character in string.printable if character.isprintable())
    user = f"user_{database.database}"
    with psycopg.connect(**database.connection(), autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(user), sql.Literal(password))
        )
        connection.execute(sql.SQL("GRANT ALL ON SCHEMA public TO {}").format(sql.Identifier(user)))
    credentials = replace(database, user=user, password=SecretStr(password))
    any_project.revision("one", None, CREATE_A, DROP_A)
    runner = replace(any_project.runner(), launch=runners.launch)

    assert migrations.upgrade(runner, credentials).after == ("one",)
    any_project.revision("two", "one", 'import os; raise RuntimeError(os.environ["PGPASSWORD"])')
    with pytest.raises(SchemaError, match="RuntimeError") as caught:
        migrations.upgrade(runner, credentials)
    assert password not in str(caught.value)
    assert "***" in str(caught.value)
