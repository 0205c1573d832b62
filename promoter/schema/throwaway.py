"""The databases that a rehearsal plays on: made on a throwaway server, moved by the service's own migrations, dropped at the end."""

import itertools
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import psycopg
from psycopg import sql

from promoter import postgres
from promoter.errors import SchemaError
from promoter.schema import migrations, snapshots, synthetic_rows
from promoter.schema.runners import Command, Runner
from promoter.schema.snapshots import Snapshot
from promoter.schema.synthetic_rows import Filling, Table
from promoter.secrets import DatabaseCredentials

NUMBERS = itertools.count(1)
"""Two rehearsals of one process may share a server."""
FOREIGN = re.compile(r"^(\\.*|ALTER [^;]* OWNER TO [^;]*;|(GRANT|REVOKE|ALTER DEFAULT PRIVILEGES) .*;)$", re.MULTILINE)
"""Lines of a dump that mean nothing elsewhere: psql's own, and those that name roles."""


@dataclass
class Throwaway:
    """One database, and what is known of it."""

    credentials: DatabaseCredentials
    runner: Runner
    generations: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    objects: Mapping[str, str] | None = None
    """Its catalogue, None where it has to be read."""
    filled: Mapping[int, Table] = field(default_factory=dict)
    """Tables that get no further rows while they stay as they are, by object id."""

    def move(self, command: Command, heads: tuple[str, ...]) -> str | None:
        """Go to exactly `heads`; return the error, None where it got there."""
        self.objects = None
        try:
            answer = self.runner.run(command, heads, self.credentials)
            reached = migrations.heads(self.credentials, version_table=self.runner.rule.version_table)
        except SchemaError as error:
            return error.message
        if not answer.ok:
            return f"The {command} fails at {answer.reason}"
        return None if reached == heads else f"The {command} ends at {reached}, not at {heads}"

    def fill(self) -> Filling:
        """Put new rows into every table that is not as it stands in `filled`."""
        return synthetic_rows.fill(
            self.credentials,
            generation=next(self.generations),
            ignore=self.runner.rule.version_table,
            filled=self.filled,
        )

    def snapshot(self) -> Snapshot:
        """Read everything but the version table."""
        return snapshots.take(self.credentials, ignore=self.runner.rule.version_table, known=self.objects)


@dataclass(frozen=True)
class Stage:
    """Where the rehearsal plays."""

    runner: Runner
    server: postgres.Server
    names: list[str] = field(default_factory=list)
    """The databases to be dropped at the end."""

    def create(self, template: Throwaway | None = None) -> Throwaway:
        """Make an empty database, or a copy of `template`, to which nobody may be connected."""
        name = f"rehearsal_{os.getpid()}_{next(NUMBERS)}"
        self.names.append(name)
        if template is None:
            return Throwaway(postgres.create_database(self.server, name), self.runner)
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        with psycopg.connect(**self.server.credentials().connection(), autocommit=True) as connection:
            connection.execute(statement.format(sql.Identifier(name), sql.Identifier(template.credentials.database)))
        return Throwaway(self.server.credentials(name), self.runner)

    def build(self, heads: tuple[str, ...], schema: str | None) -> Throwaway:
        """Make a database at `heads` by the migrations themselves, or from `schema`, a dump; raise SchemaError or psycopg.Error."""
        made = self.create()
        if schema is not None:
            with psycopg.connect(**made.credentials.connection(), autocommit=True) as connection:
                _restore(connection, schema, heads, self.runner.rule.version_table)
        elif heads:
            migrations.upgrade(self.runner, made.credentials, heads)
        return made

    def clear(self) -> None:
        """Drop every database."""
        for name in self.names:
            postgres.drop_database(self.server, name)


def _restore(connection: psycopg.Connection, schema: str, heads: tuple[str, ...], version_table: str) -> None:
    if "\nCREATE SCHEMA public;" in schema:
        connection.execute("DROP SCHEMA public")
    connection.execute(FOREIGN.sub("", schema).encode())
    connection.execute("RESET search_path")
    table = sql.Identifier(*version_table.split("."))
    for head in heads:
        connection.execute(sql.SQL("INSERT INTO {} VALUES (%s)").format(table), [head])
