"""What a migration destroys is copied before, comes back by the command on record, and is forgotten in the end."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from promoter import postgres
from promoter.records import SafetyCopy
from promoter.schema import safety, snapshots

TABLES = """
CREATE SCHEMA shop;
CREATE TABLE notes (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "the mood" text, title text,
    shout text GENERATED ALWAYS AS (upper(title)) STORED);
CREATE TABLE shop.orders (day date, number int, total int, PRIMARY KEY (day, number));
CREATE TABLE loose (x int, y int);
INSERT INTO notes ("the mood", title) SELECT 'mood ' || n, 'title ' || n FROM generate_series(1, 50) n;
INSERT INTO shop.orders SELECT '2026-01-01', n, n * 10 FROM generate_series(1, 50) n;
INSERT INTO loose VALUES (1, 2), (1, 2)
"""
Execute = Callable[[str], list[tuple[object, ...]]]


@pytest.fixture
def copies(database: Any, execute: Execute) -> Callable[[Sequence[str]], tuple[SafetyCopy, ...]]:
    """Return what plans and makes copies in a database with a few tables."""
    execute(TABLES)

    def made(doomed: Sequence[str]) -> tuple[SafetyCopy, ...]:
        planned = safety.plan(database, doomed, "promotion 1")
        safety.make(database, planned)
        return planned

    return made


@pytest.mark.parametrize(
    ("doomed", "destroy", "make_room", "look"),
    [
        pytest.param(
            "notes.the mood",
            'ALTER TABLE notes DROP COLUMN "the mood"',
            'ALTER TABLE notes ADD COLUMN "the mood" text',
            'SELECT id, "the mood" FROM notes ORDER BY id',
            id="column",
        ),
        pytest.param(
            "shop.orders.total",
            "UPDATE shop.orders SET total = 0",
            "SELECT 1",
            "SELECT * FROM shop.orders ORDER BY number",
            id="values, by a key of two columns in another schema",
        ),
        pytest.param(
            "notes",
            "DELETE FROM notes WHERE id > 10",
            "SELECT 1",
            "SELECT * FROM notes ORDER BY id",
            id="rows, with an identity and a generated column",
        ),
        pytest.param(
            "shop.orders",
            "DROP TABLE shop.orders",
            "CREATE TABLE shop.orders (day date, number int, total int, PRIMARY KEY (day, number))",
            "SELECT * FROM shop.orders ORDER BY number",
            id="table",
        ),
    ],
)
def test_the_command_on_record_brings_back_what_was_destroyed(
    copies: Callable[[Sequence[str]], tuple[SafetyCopy, ...]],
    execute: Execute,
    *,
    doomed: str,
    destroy: str,
    make_room: str,
    look: str,
) -> None:
    """Every value of every row, once there is a place for it."""
    before = execute(look)
    (copy,) = copies([doomed])
    execute(destroy)
    execute(make_room)

    execute(copy.restore)

    assert copy.of == doomed
    assert copy.table in copy.restore
    assert execute(look) == before


def test_a_table_without_a_key_is_copied_whole(
    copies: Callable[[Sequence[str]], tuple[SafetyCopy, ...]], execute: Execute
) -> None:
    """Which value belongs to which row, only a person can say."""
    (copy,) = copies(["loose.y"])

    assert execute(f"SELECT * FROM {copy.table}") == [(1, 2), (1, 2)]
    assert "no primary key" in copy.restore


def test_a_copy_is_made_once(
    database: Any, copies: Callable[[Sequence[str]], tuple[SafetyCopy, ...]], execute: Execute
) -> None:
    """A second try after the column is gone finds the copy and leaves it; what does not exist is not copied."""
    (copy,) = copies(["notes.the mood", "gone", "gone.too"])
    execute('ALTER TABLE notes DROP COLUMN "the mood"')

    safety.make(database, [copy])

    assert execute(f"SELECT count(*) FROM {copy.table}") == [(50,)]


def test_copies_are_forgotten_after_their_time(
    database: Any, copies: Callable[[Sequence[str]], tuple[SafetyCopy, ...]], execute: Execute
) -> None:
    """Younger ones stay, and so does what somebody else put there."""
    old, young = copies(["notes", "notes.title"])
    execute(f"COMMENT ON TABLE {old.table} IS 'copied at 2020-01-01 00:00:00+00'")
    execute("CREATE TABLE _promoter_safety.by_hand ()")

    dropped = safety.expire(database, 30)

    left = execute("SELECT relname FROM pg_class WHERE relnamespace = '_promoter_safety'::regnamespace ORDER BY 1")
    assert [old.table] == [f'"_promoter_safety"."{name}"' for name in dropped]
    assert [(f'"_promoter_safety"."{name}"') for (name,) in left] == ['"_promoter_safety"."by_hand"', young.table]


def test_copies_are_no_part_of_the_schema(
    database: Any, copies: Callable[[Sequence[str]], tuple[SafetyCopy, ...]]
) -> None:
    """Neither of its objects nor of its rows."""
    before = snapshots.take(database, ignore="alembic_version")

    copies(["notes"])

    assert snapshots.take(database, ignore="alembic_version") == before
    assert "_promoter_safety" not in postgres.dump_schema(database)
