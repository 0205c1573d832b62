"""What the models of a release read, tried on another schema: every mapped column of every mapped table."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from promoter import scratch, shell
from promoter.errors import CommandError, SchemaError
from promoter.secrets import DatabaseCredentials

PROGRAM = Path(__file__).with_name("model_reader.py")
TIMEOUT = 60.0
"""What the import of the models may take, in seconds."""


@dataclass(frozen=True)
class MappedTable:
    """A table as the models know it."""

    schema: str | None
    """None is the first one of the search path."""
    name: str
    columns: tuple[str, ...]

    @property
    def title(self) -> str:
        """`name` or `schema.name`."""
        return self.name if self.schema is None else f"{self.schema}.{self.name}"

    def query(self, columns: tuple[str, ...]) -> sql.Composed:
        """Return the statement that names `columns` and reads no row."""
        table = sql.Identifier(*filter(None, (self.schema, self.name)))
        return sql.SQL("SELECT {} FROM {} LIMIT 0").format(sql.SQL(", ").join(map(sql.Identifier, columns)), table)


def read(python: Path, variables: Mapping[str, str], directory: Path, models: str) -> tuple[MappedTable, ...]:
    """Ask the release in `directory` what it maps; `models` is `package.module:Base`, `python` the release's own interpreter.

    Raises SchemaError where its models cannot be imported.
    """
    with scratch.folder("promoter-models") as folder:
        answer = folder / "answer.json"
        try:
            shell.run([python, PROGRAM, models, answer], cwd=directory, env=variables, timeout=TIMEOUT)
        except CommandError as error:
            raise SchemaError(
                f"the models {models} of the release before cannot be read: {error.message}",
                hint="[migrations] models of the service's file is `package.module:Base`.",
            ) from error
        tables = json.loads(answer.read_text(encoding="utf-8"))
    return tuple(MappedTable(one["schema"], one["name"], tuple(one["columns"])) for one in tables)


def unreadable(credentials: DatabaseCredentials, tables: tuple[MappedTable, ...]) -> tuple[str, ...]:
    """Return what of `tables` this database does not answer: `mapped column notes.colour: column "colour" does not exist`."""
    if not tables:
        return ()
    with psycopg.connect(**credentials.connection(), autocommit=True) as connection:
        return tuple(line for table in tables for line in _refused(connection, table))


def _refused(connection: psycopg.Connection, table: MappedTable) -> Iterator[str]:
    """Ask for all columns at once, and one by one only where that is refused."""
    if _error(connection, table.query(table.columns)) is None:
        return
    if error := _error(connection, table.query(())):
        yield f"mapped table {table.title}: {error}"
        return
    for column in table.columns:
        if error := _error(connection, table.query((column,))):
            yield f"mapped column {table.title}.{column}: {error}"


def _error(connection: psycopg.Connection, query: sql.Composed) -> str | None:
    try:
        connection.execute(query)
    except psycopg.Error as error:
        return error.diag.message_primary or str(error)
    return None
