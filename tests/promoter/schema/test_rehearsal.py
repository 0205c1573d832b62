"""Where a rehearsal starts, what it says of a path of several revisions, and what it leaves behind."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg

from promoter import postgres
from promoter.config import Service
from promoter.postgres import Server
from promoter.records import Rehearsal
from promoter.schema import migrations
from promoter.schema.rehearsal import rehearse, rehearse_with
from tests.promoter.schema.zoo import USERS, sql


def test_nothing_pending_is_lossless(pending: Callable[[], Rehearsal]) -> None:
    """There is nothing to take back."""
    assert pending().verdict == "lossless"


def test_the_path_and_each_revision_get_verdicts_of_their_own(project: Any, pending: Callable[[], Rehearsal]) -> None:
    """What one revision adds and the next one drops is nothing to the path, but a loss to whoever stops in between."""
    project.revision("add", "users", sql("ALTER TABLE users ADD COLUMN x int"), sql("ALTER TABLE users DROP COLUMN x"))
    project.revision("drop", "add", sql("ALTER TABLE users DROP COLUMN x"), sql("ALTER TABLE users ADD COLUMN x int"))
    project.revision("stay", "drop", sql("CREATE TABLE logs (id serial)"), "pass")
    project.revision("last", "stay", sql("CREATE INDEX i ON users (name)"), sql("DROP INDEX i"))

    found = pending()

    assert [(step.revision, step.verdict) for step in found.revisions] == [
        ("add", "lossless"),
        ("drop", "lossy"),
        ("stay", "no-op"),
        ("last", "lossless"),
    ]
    assert (found.verdict, found.before, found.after) == ("fails", ("users",), ("last",))
    assert "TABLE logs is left behind" in found.detail


def test_branches_and_their_merge_are_rehearsed(project: Any, pending: Callable[[], Rehearsal]) -> None:
    """Two branches and their merge go back to the one head they came from."""
    project.revision("left", "users", sql("CREATE TABLE a ()"), sql("DROP TABLE a"))
    project.revision("right", "users", sql("CREATE TABLE b (id int)"), sql("DROP TABLE b"))
    project.revision("join", ("left", "right"))

    found = pending()

    assert (found.verdict, found.after) == ("lossless", ("join",))
    assert {step.revision: step.verdict for step in found.revisions} == dict.fromkeys(
        ("left", "right", "join"), "lossless"
    )


def test_a_dump_of_the_live_schema_is_where_it_starts(
    project: Any, postgres_server: Server, database: Any, execute: Callable[[str], object]
) -> None:
    """What the live database has and no migration made is there too: here a row under a constraint added by hand."""
    project.revision("users", None, USERS, "pass")
    migrations.upgrade(project.runner(), database)
    execute(
        "CREATE ROLE somebody; CREATE TABLE by_hand (id int REFERENCES users (id)); GRANT SELECT ON users TO somebody"
    )
    execute("ALTER TABLE by_hand OWNER TO somebody")
    dump = postgres.read_schema(database)
    execute("DROP OWNED BY somebody; DROP ROLE somebody")
    project.revision("drop", "users", sql("DROP TABLE posts; DROP TABLE users"), "pass")

    found = rehearse_with(project.runner(), postgres_server, ("users",), dump)

    assert found.verdict == "fails"
    assert "2BP01" in found.detail


def test_columns_stay_in_the_order_of_the_live_schema(project: Any, postgres_server: Server, database: Any) -> None:
    """A migration may count on it."""
    project.revision("users", None, sql("CREATE TABLE role (id int PRIMARY KEY, code text, active boolean)"))
    migrations.upgrade(project.runner(), database)
    project.revision(
        "next", "users", sql("INSERT INTO role VALUES (700, 'admin', true); DELETE FROM role WHERE id = 700")
    )

    found = rehearse_with(project.runner(), postgres_server, ("users",), postgres.read_schema(database))

    assert found.verdict == "lossless", found.detail


def test_a_live_schema_that_cannot_be_made_here_is_told(project: Any, postgres_server: Server) -> None:
    """An extension that only the cloud has: the rehearsal starts where the migrations lead, and says so."""
    project.revision("users", None, USERS, "pass")
    project.revision("next", "users", sql("CREATE INDEX i ON users (name)"), sql("DROP INDEX i"))

    found = rehearse_with(project.runner(), postgres_server, ("users",), "CREATE EXTENSION of_the_cloud;")

    assert found.verdict == "lossless"
    assert 'the live one cannot be made here: extension "of_the_cloud" is not available' in found.detail


def test_a_start_that_cannot_be_built_proves_nothing(project: Any, postgres_server: Server) -> None:
    """A history that does not run from empty says nothing about what is pending."""
    project.revision("users", None, sql("ALTER TABLE made_by_hand ADD COLUMN x int"))
    project.revision("next", "users")

    found = rehearse_with(project.runner(), postgres_server, ("users",))

    assert found.verdict == "unproved"
    assert "made_by_hand" in found.detail


def test_a_service_is_rehearsed_in_its_own_interpreter(
    any_project: Any, postgres_server: Server, make_service: Callable[..., Service]
) -> None:
    """From empty to the heads, by either kind of driver, with no database of the rehearsal left behind."""
    any_project.revision("users", None, sql("CREATE TABLE users (id serial, name text)"), sql("DROP TABLE users"))

    found = rehearse(Path(sys.executable), {}, any_project.path, make_service(), server=postgres_server, before=())

    assert (found.verdict, found.before, found.after) == ("lossless", (), ("users",))
    with psycopg.connect(**postgres_server.credentials().connection()) as connection:
        left = connection.execute("SELECT datname FROM pg_database WHERE datname LIKE 'rehearsal%'").fetchall()
    assert left == []


def test_a_rehearsal_says_whether_the_old_release_can_live_on_the_new_schema(
    project: Any, pending: Callable[[], Rehearsal]
) -> None:
    """A lossless way back is one thing, a shared schema another."""
    project.revision("change", "users", sql("ALTER TABLE posts DROP COLUMN tags"), sql("SELECT 1"))

    found = pending()

    assert found.old_release_compatible is False
    assert found.obstacles == ("TABLE posts: column tags is gone",)
