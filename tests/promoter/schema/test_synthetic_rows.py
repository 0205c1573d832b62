"""Every table that can hold a row gets one."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from promoter.schema import synthetic_rows

Execute = Callable[[str], list[tuple[Any, ...]]]


def fill(database: Any, generation: int = 1) -> Mapping[str, str]:
    """Fill the test's database; return what stays empty."""
    return synthetic_rows.fill(database, generation=generation, ignore="alembic_version").empty


TYPES = [
    "smallint",
    "bigint",
    "real",
    "numeric(4,2)",
    "numeric(3,3)",
    "money",
    "boolean",
    "char(1)",
    "varchar(2)",
    "varchar(30)",
    "text",
    "name",
    '"char"',
    "bytea",
    "date",
    "time",
    "timetz",
    "timestamp",
    "timestamptz",
    "interval",
    "uuid",
    "json",
    "jsonb",
    "inet",
    "cidr",
    "macaddr",
    "macaddr8",
    "bit(1)",
    "bit(3)",
    "varbit",
    "point",
    "line",
    "lseg",
    "box",
    "path",
    "polygon",
    "circle",
    "int4range",
    "numrange",
    "tstzrange",
    "daterange",
    "int4multirange",
    "tsvector",
    "tsquery",
    "oid",
    "integer[]",
    "text[]",
    "uuid[][]",
    "jsonb[]",
    "citext",
    "hstore",
    "ltree",
]


def test_every_common_type_has_a_value(database: Any, execute: Execute) -> None:
    """Two rows with every type that services use, arrays and those of the common extensions too."""
    execute("CREATE EXTENSION citext; CREATE EXTENSION hstore; CREATE EXTENSION ltree")
    columns = ", ".join(f"c{index} {kind} NOT NULL" for index, kind in enumerate(TYPES))
    execute(f"CREATE TABLE everything ({columns})")

    assert fill(database) == {}
    assert execute("SELECT count(*) FROM everything") == [(2,)]


def test_parents_come_before_their_children(database: Any, execute: Execute) -> None:
    """Keys of several columns, across schemas, to itself, in a circle, and one to one."""
    execute(
        "CREATE SCHEMA billing;"
        'CREATE TABLE "Order" (a int, b text, PRIMARY KEY (a, b), boss_a int, boss_b text,'
        ' FOREIGN KEY (boss_a, boss_b) REFERENCES "Order");'
        'CREATE TABLE billing.lines (id int PRIMARY KEY, a int NOT NULL, b text NOT NULL, FOREIGN KEY (a, b) REFERENCES "Order");'
        "CREATE TABLE egg (id int PRIMARY KEY, hen int); CREATE TABLE hen (id int PRIMARY KEY, egg int REFERENCES egg);"
        "ALTER TABLE egg ADD FOREIGN KEY (hen) REFERENCES hen;"
        "CREATE TABLE profile (hen int PRIMARY KEY REFERENCES hen)"
    )

    assert fill(database) == {}
    assert execute("SELECT count(*) FROM profile") == [(2,)]
    assert execute("SELECT count(*) > 0 FROM egg JOIN hen ON hen.id = egg.hen") == [(True,)]


def test_checks_enums_domains_and_own_values_are_respected(database: Any, execute: Execute) -> None:
    """Values that a CHECK mentions are tried; what the database makes itself is left to it."""
    execute(
        "CREATE TYPE colour AS ENUM ('red', 'blue'); CREATE DOMAIN positive AS int NOT NULL CHECK (VALUE > 0);"
        "CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, twice int GENERATED ALWAYS AS (size * 2) STORED,"
        " size positive, colour colour NOT NULL, colours colour[] NOT NULL, age int CHECK (age BETWEEN 18 AND 130),"
        " plan text NOT NULL CHECK (plan IN ('free', 'paid')), state text CHECK (state ~ '^[0-9]'))"
    )

    assert fill(database) == {}
    assert fill(database, 2) == {}
    assert execute("SELECT DISTINCT colour::text FROM t ORDER BY 1") == [("blue",), ("red",)]
    assert execute("SELECT count(age), count(*) FROM t") == [(2, 4)]


@pytest.mark.parametrize(
    ("table", "name", "reason"),
    [
        pytest.param("id int PRIMARY KEY CHECK (id * id = 1764 AND id > 0)", "t", "t_id_check", id="a riddle"),
        pytest.param("id int CHECK (id * id = 1764 AND id > 0)", "t.id", "t_id_check", id="an optional riddle"),
        pytest.param("id int PRIMARY KEY, FOREIGN KEY (id) REFERENCES t", "t", "is empty", id="its own parent"),
    ],
)
def test_what_stays_empty_says_why(database: Any, execute: Execute, *, table: str, name: str, reason: str) -> None:
    """A table or a column, and the last thing that was in the way."""
    execute(f"CREATE TABLE t ({table})")

    empty = fill(database)

    assert list(empty) == [name]
    assert reason in empty[name]


def test_rows_of_a_migration_are_no_obstacle(database: Any, execute: Execute) -> None:
    """Numbers that are taken already are passed by."""
    execute("CREATE TABLE role (id int PRIMARY KEY, name text); INSERT INTO role VALUES (1), (2)")

    assert fill(database) == {}
    assert execute("SELECT count(name), count(*) FROM role") == [(1, 3)]


def test_the_version_table_is_left_alone(database: Any, execute: Execute) -> None:
    """No made-up revision."""
    execute("CREATE TABLE alembic_version (version_num varchar(32) NOT NULL)")

    assert fill(database) == {}
    assert execute("SELECT * FROM alembic_version") == []


def test_a_table_that_did_not_change_gets_no_further_rows(database: Any, execute: Execute) -> None:
    """One with another column does, one that is empty is tried again, and so is one that was made anew."""
    execute(
        "CREATE TABLE a (id int); CREATE TABLE b (id int); CREATE TABLE c (id int); CREATE TABLE d (id int CHECK (id * id = 49 AND id > 0))"
    )
    first = synthetic_rows.fill(database, generation=1, ignore="alembic_version")
    execute("ALTER TABLE b ADD COLUMN x text; DROP TABLE c; CREATE TABLE c (id int)")

    second = synthetic_rows.fill(database, generation=2, ignore="alembic_version", filled=first.tables)

    counts = [execute(f"SELECT count(*) FROM {name}")[0][0] for name in "abc"]
    assert counts == [2, 4, 2]
    assert set(first.empty) == set(second.empty) == {"d.id"}
