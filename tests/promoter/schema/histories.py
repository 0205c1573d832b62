"""Random histories of migrations: a model of the schema says which operation can come next, and how it is taken back."""

from collections.abc import Callable
from dataclasses import dataclass, field

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

BASE = """
CREATE TABLE people (id int PRIMARY KEY, name text NOT NULL, age int);
CREATE TABLE things (id int PRIMARY KEY, owner int REFERENCES people (id), size int NOT NULL, label text)
"""
"""Where every history begins; `Model` says the same."""
LONGEST = 5
"""Migrations of one history that can be taken back."""


@dataclass(frozen=True)
class Step:
    """One migration, as SQL."""

    up: str
    down: str
    lossy: bool = False


@dataclass
class Column:
    """A column that an operation may take."""

    name: str
    kind: str
    old: bool = False
    """It is part of BASE, so rows have values in it before the first step."""


@dataclass
class Table:
    """A table that an operation may take."""

    name: str
    columns: list[Column]
    old: bool = False


@dataclass
class Model:
    """The schema as the steps so far leave it; keys, and columns that point to one, are not offered."""

    tables: list[Table] = field(
        default_factory=lambda: [
            Table("people", [Column("name", "text", old=True), Column("age", "int", old=True)], old=True),
            Table("things", [Column("size", "int", old=True), Column("label", "text", old=True)], old=True),
        ]
    )
    count: int = 0

    def new(self, letter: str) -> str:
        """Return a name that nothing has."""
        self.count += 1
        return f"{letter}{self.count}"

    def table(self, draw: DrawFn, *, old: bool = False) -> Table:
        """Choose a table that has columns to choose from; of BASE where it has to be an `old` one."""
        return draw(st.sampled_from([one for one in self.tables if _offered(one, old=old)]))

    def column(self, draw: DrawFn, table: Table, *, old: bool = False) -> Column:
        """Choose one of the table's columns."""
        return draw(st.sampled_from(_offered(table, old=old)))


Operation = Callable[[DrawFn, Model], Step]


def add_table(_draw: DrawFn, model: Model) -> Step:
    """Make a table with two columns."""
    name, number, text = model.new("t"), model.new("c"), model.new("c")
    model.tables.append(Table(name, [Column(number, "int"), Column(text, "text")]))
    return Step(f"CREATE TABLE {name} (id serial PRIMARY KEY, {number} int, {text} text)", f"DROP TABLE {name}")


def add_column(draw: DrawFn, model: Model) -> Step:
    """Add a column that may be empty."""
    table, made = model.table(draw), Column(model.new("c"), draw(st.sampled_from(["int", "text"])))
    table.columns.append(made)
    return Step(
        f"ALTER TABLE {table.name} ADD COLUMN {made.name} {made.kind}",
        f"ALTER TABLE {table.name} DROP COLUMN {made.name}",
    )


def add_column_with_default(draw: DrawFn, model: Model) -> Step:
    """Add a column that may not be empty; its values are alike, so nothing unique can come of it."""
    table, name = model.table(draw), model.new("c")
    return Step(
        f"ALTER TABLE {table.name} ADD COLUMN {name} int NOT NULL DEFAULT 7",
        f"ALTER TABLE {table.name} DROP COLUMN {name}",
    )


def add_foreign_key(draw: DrawFn, model: Model) -> Step:
    """Let a table point to a table, which may be its own."""
    table, parent, name = model.table(draw), model.table(draw), model.new("c")
    return Step(
        f"ALTER TABLE {table.name} ADD COLUMN {name} int REFERENCES {parent.name} (id)",
        f"ALTER TABLE {table.name} DROP COLUMN {name}",
    )


def add_index(draw: DrawFn, model: Model) -> Step:
    """Make an index, which may be a partial one."""
    table, name = model.table(draw), model.new("i")
    column = model.column(draw, table).name
    where = draw(st.sampled_from(["", f" WHERE {column} IS NOT NULL"]))
    return Step(f"CREATE INDEX {name} ON {table.name} ({column}){where}", f"DROP INDEX {name}")


def add_unique(draw: DrawFn, model: Model) -> Step:
    """Forbid equal values, of which there are none."""
    table = model.table(draw)
    return _constraint(model, table, f"UNIQUE ({model.column(draw, table).name})")


def add_check(draw: DrawFn, model: Model) -> Step:
    """Forbid a value that no row has."""
    table = model.table(draw)
    return _constraint(model, table, f"CHECK ({model.column(draw, table).name}::text <> 'never')")


def rename_column(draw: DrawFn, model: Model) -> Step:
    """Call a column by another name."""
    table = model.table(draw)
    column = model.column(draw, table)
    before, column.name = column.name, model.new("c")
    text = f"ALTER TABLE {table.name} RENAME COLUMN {{}} TO {{}}"
    return Step(text.format(before, column.name), text.format(column.name, before))


def rename_table(draw: DrawFn, model: Model) -> Step:
    """Call a table by another name."""
    table = model.table(draw)
    before, table.name = table.name, model.new("t")
    return Step(f"ALTER TABLE {before} RENAME TO {table.name}", f"ALTER TABLE {table.name} RENAME TO {before}")


def drop_column(draw: DrawFn, model: Model) -> Step:
    """Drop a column full of values, and bring it back empty."""
    table = model.table(draw, old=True)
    column = model.column(draw, table, old=True)
    table.columns.remove(column)
    return Step(
        f"ALTER TABLE {table.name} DROP COLUMN {column.name}",
        f"ALTER TABLE {table.name} ADD COLUMN {column.name} {column.kind}",
        lossy=True,
    )


def overwrite(draw: DrawFn, model: Model) -> Step:
    """Make all values of a column alike."""
    table = model.table(draw, old=True)
    column = model.column(draw, table, old=True)
    value = "'alike'" if column.kind == "text" else "0"
    return Step(f"UPDATE {table.name} SET {column.name} = {value}", "SELECT 1", lossy=True)


def delete_rows(draw: DrawFn, model: Model) -> Step:
    """Delete all rows of a table."""
    return Step(f"DELETE FROM {model.table(draw, old=True).name}", "SELECT 1", lossy=True)


def drop_table(draw: DrawFn, model: Model) -> Step:
    """Drop a table with rows, and bring it back empty."""
    table = model.table(draw, old=True)
    model.tables.remove(table)
    columns = ", ".join(f"{column.name} {column.kind}" for column in table.columns)
    return Step(f"DROP TABLE {table.name} CASCADE", f"CREATE TABLE {table.name} ({columns})", lossy=True)


REVERSIBLE: tuple[Operation, ...] = (
    add_table,
    add_column,
    add_column_with_default,
    add_foreign_key,
    add_index,
    add_unique,
    add_check,
    rename_column,
    rename_table,
)
LOSSY: tuple[Operation, ...] = (drop_column, overwrite, delete_rows, drop_table)


@st.composite
def histories(draw: DrawFn, *, lossy: bool) -> list[Step]:
    """Draw up to LONGEST reversible steps; with `lossy`, one step more among them that loses something."""
    operations = draw(st.lists(st.sampled_from(REVERSIBLE), min_size=1, max_size=LONGEST))
    if lossy:
        operations.insert(draw(st.integers(0, len(operations))), draw(st.sampled_from(LOSSY)))
    model = Model()
    return [operation(draw, model) for operation in operations]


def _offered(table: Table, *, old: bool) -> list[Column]:
    return [column for column in table.columns if column.old or not old]


def _constraint(model: Model, table: Table, rule: str) -> Step:
    name = model.new("k")
    return Step(
        f"ALTER TABLE {table.name} ADD CONSTRAINT {name} {rule}", f"ALTER TABLE {table.name} DROP CONSTRAINT {name}"
    )
