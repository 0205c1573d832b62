"""What is known of pending migrations before they run: rehearsed, written down, linted, on a real PostgreSQL."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from promoter.errors import SchemaError
from promoter.postgres import Server
from promoter.records import SchemaPlan, TableLock
from promoter.schema import offline, plan_text, plans, policy
from promoter.schema.rehearsal import rehearse_with

NOTES = 'op.execute("CREATE TABLE notes (id serial PRIMARY KEY, title text, mood text)")'
ASK = """mood = op.get_bind().execute(sa.text("SELECT 1")).scalar()
op.execute(f"ALTER TABLE notes ADD COLUMN found_{mood} int")"""
Plan = Callable[[], SchemaPlan]


@pytest.fixture
def plan(project: Any, postgres_server: Server) -> Plan:
    """Return what plans all that comes after the revision `notes`."""
    project.revision("notes", None, NOTES, 'op.execute("DROP TABLE notes")')

    def made() -> SchemaPlan:
        runner = project.runner()
        rehearsal = rehearse_with(runner, postgres_server, ("notes",))
        written = offline.write(runner, ("notes",))
        return plans.plan(project.path, runner.rule, replace(rehearsal, written=written), "if_lossless")

    return made


def test_a_plan_says_what_each_revision_does(project: Any, plan: Plan) -> None:
    """SQL, locks, what the linter says, what it destroys and where, and the sentence about the way back."""
    project.revision(
        "add", "notes", 'op.add_column("notes", sa.Column("x", sa.Text()))', 'op.drop_column("notes", "x")'
    )
    forget = 'op.execute("SELECT 1")\nop.drop_column("notes", "mood")'
    path = project.revision("forget", "add", forget, 'op.add_column("notes", sa.Column("mood", sa.Text()))')

    made = plan()
    add, drop = made.revisions

    assert (made.start, made.end) == (("notes",), ("forget",))
    assert (add.sql, add.hazards, add.findings) == ("ALTER TABLE notes ADD COLUMN x TEXT;", (), ())
    assert drop.sql == "SELECT 1;\n\nALTER TABLE notes DROP COLUMN mood;"
    assert drop.locks == (TableLock("notes", "ACCESS EXCLUSIVE"),)
    line = path.read_text().splitlines().index('    op.drop_column("notes", "mood")') + 1
    assert [(one.rule, one.file, one.line, one.level) for one in drop.findings] == [
        ("ban-drop-column", "alembic/versions/forget.py", line, "warning")
    ]
    assert [(one.kind, one.what, one.line, one.acknowledged) for one in drop.hazards] == [
        ("destructive", ("notes.mood",), line, None),
        ("incompatible", ("TABLE notes: column mood is gone",), line, None),
    ]
    assert made.way_back.startswith("no, because the schema stays (lossy: Lost on the way back: notes.mood")
    told = plan_text.describe(made)
    assert told[0] == "schema: notes → forget"
    assert "  locks notes: ACCESS EXCLUSIVE, reads and writes wait" in told
    assert told[-1] == f"this release can be rolled back: {made.way_back}"


def test_an_acknowledged_hazard_lets_the_promotion_go_on(project: Any, plan: Plan, postgres_server: Server) -> None:
    """Both kinds, each with its reason; without them the same plan is refused."""
    path = project.revision("forget", "notes", 'op.drop_column("notes", "mood")')
    with pytest.raises(
        SchemaError, match=r"^alembic/versions/forget.py:\d+: revision forget destroys for good: notes.mood"
    ):
        policy.review(plan(), rehearse_with(project.runner(), postgres_server, ("notes",)), "stop")

    kinds = ("destructive", "incompatible")
    path.write_text(path.read_text() + "".join(f"# promoter: acknowledge {kind}: nobody reads it\n" for kind in kinds))
    made = plan()

    assert [one.acknowledged for one in made.revisions[0].hazards] == ["nobody reads it"] * 2
    assert policy.unsafe(made) == ()


def test_sql_that_needs_a_database_is_a_finding(project: Any, plan: Plan) -> None:
    """The revisions around it are written down all the same."""
    project.revision("ask", "notes", ASK, 'op.drop_column("notes", "found_1")')
    project.revision("add", "ask", 'op.add_column("notes", sa.Column("x", sa.Text()))', 'op.drop_column("notes", "x")')

    asked, added = plan().revisions

    assert asked.sql is None
    assert asked.unwritten is not None
    assert [one.rule for one in asked.findings] == ["no-offline-sql"]
    assert (added.sql, added.verdict) == ("ALTER TABLE notes ADD COLUMN x TEXT;", "lossless")


def test_branches_and_their_merge_are_written_down(project: Any, plan: Plan) -> None:
    """Each revision has its own SQL, the merge none."""
    project.revision("left", "notes", 'op.execute("CREATE TABLE a ()")', 'op.execute("DROP TABLE a")')
    project.revision("right", "notes", 'op.execute("CREATE TABLE b ()")', 'op.execute("DROP TABLE b")')
    project.revision("join", ("left", "right"))

    found = {one.revision: one.sql for one in plan().revisions}

    assert found == {"left": "CREATE TABLE a ();", "right": "CREATE TABLE b ();", "join": ""}
