"""Runs the pending migrations up, back and up again on a throwaway database with rows in it, and says what was lost."""

import itertools
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import psycopg
from psycopg import sql

from promoter import config, postgres
from promoter.errors import SchemaError
from promoter.records import Rehearsal, RevisionRehearsal, Verdict
from promoter.schema import migrations, snapshots, synthetic_rows
from promoter.schema.compatibility import obstacles
from promoter.schema.runners import Command, SubprocessRunner, standing
from promoter.schema.snapshots import Snapshot
from promoter.secrets import DatabaseCredentials

NUMBERS = itertools.count(1)
"""Two rehearsals of one process may share a server."""
FOREIGN = re.compile(
    r"^(\\\\.*|ALTER [^;]* OWNER TO [^;]*;|(GRANT|REVOKE|ALTER DEFAULT PRIVILEGES) .*;)$", re.MULTILINE
)
"""Lines of a dump that mean nothing elsewhere: psql's own, and those that name roles."""


@dataclass(frozen=True)
class Judgement:
    """A verdict and its reason."""

    verdict: Verdict
    detail: str
    obstacles: tuple[str, ...] | None = None
    """What the release before would run against; None where the upgrade never got there."""
    lost: tuple[str, ...] = ()
    """What the way up destroys for good."""

    def of(self, revision: str) -> RevisionRehearsal:
        """Return this judgement as one of `revision`."""
        return RevisionRehearsal(revision, self.verdict, self.detail, self.lost, self.obstacles or ())


@dataclass(frozen=True)
class Stage:
    """Where the rehearsal plays."""

    runner: SubprocessRunner
    server: postgres.Server
    databases: list[str] = field(default_factory=list)
    """What has to be dropped at the end."""
    generations: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def create(self, template: DatabaseCredentials | None = None) -> DatabaseCredentials:
        """Make an empty database, or a copy of `template`, to which nobody may be connected."""
        name = f"rehearsal_{os.getpid()}_{next(NUMBERS)}"
        self.databases.append(name)
        if template is None:
            return postgres.create_database(self.server, name)
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        with psycopg.connect(**self.server.credentials().connection(), autocommit=True) as connection:
            connection.execute(statement.format(sql.Identifier(name), sql.Identifier(template.database)))
        return self.server.credentials(name)

    def move(self, command: Command, credentials: DatabaseCredentials, heads: tuple[str, ...]) -> str | None:
        """Take a database to exactly `heads`; return the error, None where it got there."""
        try:
            answer = self.runner.run(command, heads, credentials)
            reached = migrations.heads(credentials, version_table=self.runner.rule.version_table)
        except SchemaError as error:
            return error.message
        if not answer.ok:
            return f"The {command} fails at {answer.reason}"
        return None if reached == heads else f"The {command} ends at {reached}, not at {heads}"

    def snapshot(self, credentials: DatabaseCredentials) -> Snapshot:
        """Read everything but the version table."""
        return snapshots.take(credentials, ignore=self.runner.rule.version_table)

    def fill(self, credentials: DatabaseCredentials) -> dict[str, str]:
        """Put new rows into every table; return why some stayed empty."""
        return synthetic_rows.fill(
            credentials, generation=next(self.generations), ignore=self.runner.rule.version_table
        )


def rehearse(
    python: Path,
    variables: Mapping[str, str],
    checkout: Path,
    service: config.Service,
    *,
    server: postgres.Server,
    before: tuple[str, ...],
    schema: str | None = None,
) -> Rehearsal:
    """Rehearse what is pending in `checkout` after the heads `before`.

    `python` and `variables` are the service's own interpreter and the environment of its migrations. The starting schema is built by the
    checkout's own migrations, or is `schema`, the text of `pg_dump --schema-only`. Raises SchemaError where the checkout's revisions make
    no sense; all that the migrations themselves do wrong is a verdict.
    """
    with standing(python, variables) as launch:
        runner = SubprocessRunner(python, checkout, service.migrations, variables, service.database.variables, launch)
        return rehearse_with(runner, server, before, schema)


def rehearse_with(
    runner: SubprocessRunner, server: postgres.Server, before: tuple[str, ...], schema: str | None = None
) -> Rehearsal:
    """Rehearse as `rehearse` does, with a runner that exists already."""
    found = migrations.script(runner.checkout, runner.rule)
    pending = found.pending(before)
    if not pending:
        return Rehearsal(before, found.heads, "lossless", "Nothing is pending.", old_release_compatible=True)
    stage = Stage(runner, server)
    try:
        return _rehearse(stage, found, pending, before, schema)
    except psycopg.Error as error:
        raise SchemaError(f"the throwaway server does not rehearse: {error}", transient=True) from error
    finally:
        for name in stage.databases:
            postgres.drop_database(server, name)


def judge(before: Snapshot, after: Snapshot, back: Snapshot, empty: Mapping[str, str]) -> Judgement:
    """Compare three moments: before the upgrade, after it, and after the downgrade; `empty` says why tables had no row.

    What only the upgrade's own objects held is lost with them by nature; rows of older tables have to survive.
    """
    differences, gone = snapshots.changed(before, back), snapshots.lost(before, back)
    fewer = tuple(name for name in before.rows if len(back.rows.get(name, ())) < len(after.rows.get(name, ())))
    if (differences or gone) and (back.objects, back.rows) == (after.objects, after.rows):
        return Judgement("no-op", "The downgrade changes nothing: " + "; ".join(differences or gone) + ".")
    if gone or fewer:
        return Judgement("lossy", "Lost on the way back: " + ", ".join(dict.fromkeys((*gone, *fewer))) + ".")
    if differences:
        return Judgement("lossy", "The schema does not come back: " + "; ".join(differences) + ".")
    if empty:
        reasons = "; ".join(f"{name} ({reason})" for name, reason in sorted(empty.items()))
        return Judgement("unproved", f"No row could be put into {reasons}.")
    return Judgement("lossless", "Schema and rows came back, and the upgrade ran again.")


def _rehearse(
    stage: Stage,
    found: migrations.Script,
    pending: tuple[migrations.Revision, ...],
    before: tuple[str, ...],
    schema: str | None,
) -> Rehearsal:
    try:
        base = _build(stage, before, schema)
    except (SchemaError, psycopg.Error) as error:
        detail = f"The schema before cannot be built: {str(error).partition(chr(10))[0]}"
        return Rehearsal(before, found.heads, "unproved", detail)
    path = _perform(stage, stage.create(base), before, found.heads)
    alone = len(pending) == 1
    steps = [path.of(pending[0].id)] if alone else _each(stage, found, base, before)
    compatible = None if path.obstacles is None else not path.obstacles
    return Rehearsal(
        before, found.heads, path.verdict, path.detail, tuple(steps), compatible, path.obstacles or (), path.lost
    )


def _build(stage: Stage, before: tuple[str, ...], schema: str | None) -> DatabaseCredentials:
    base = stage.create()
    if schema is None:
        if before:
            migrations.upgrade(stage.runner, base, before)
        return base
    with psycopg.connect(**base.connection(), autocommit=True) as connection:
        if "\nCREATE SCHEMA public;" in schema:
            connection.execute("DROP SCHEMA public")
        connection.execute(FOREIGN.sub("", schema).encode())
        connection.execute("RESET search_path")
        table = sql.Identifier(*stage.runner.rule.version_table.split("."))
        for head in before:
            connection.execute(sql.SQL("INSERT INTO {} VALUES (%s)").format(table), [head])
    return base


def _each(
    stage: Stage, found: migrations.Script, base: DatabaseCredentials, before: tuple[str, ...]
) -> Iterator[RevisionRehearsal]:
    """Rehearse each revision on its own, as long as the one before it can be applied at all.

    One database goes up with them, rows and all; where the way of a revision spoils it, the next one starts on a new copy.
    """
    database, lower = stage.create(base), before
    for revision in found.pending(before):
        upper = _heads_with(found, lower, revision)
        judged = _perform(stage, database, lower, upper)
        yield judged.of(revision.id)
        if judged.verdict in {"fails", "no-op"}:
            database = stage.create(base)
            if stage.move("upgrade", database, upper):
                return
        lower = upper


def _heads_with(found: migrations.Script, heads: tuple[str, ...], revision: migrations.Revision) -> tuple[str, ...]:
    kept = [head for head in heads if not found.is_ancestor((head,), (revision.id,))]
    return tuple(sorted((*kept, revision.id)))


def _perform(stage: Stage, database: DatabaseCredentials, lower: tuple[str, ...], upper: tuple[str, ...]) -> Judgement:
    """Go up from `lower` to `upper`, back and up again; where it stays there, it is at `upper`."""
    empty = stage.fill(database)
    before = stage.snapshot(database)
    if error := stage.move("upgrade", database, upper):
        return Judgement("fails", error)
    empty |= stage.fill(database)
    after = stage.snapshot(database)
    return replace(
        _return(stage, database, moments=(before, after), lower=lower, upper=upper, empty=empty),
        obstacles=obstacles(before, after),
    )


def _return(
    stage: Stage,
    database: DatabaseCredentials,
    *,
    moments: tuple[Snapshot, Snapshot],
    lower: tuple[str, ...],
    upper: tuple[str, ...],
    empty: Mapping[str, str],
) -> Judgement:
    """Go back from `upper` to `lower` and up again, and judge it by the `moments` before and after the first way up."""
    if error := stage.move("downgrade", database, lower):
        return Judgement("fails", error, lost=snapshots.destroyed(*moments))
    back = stage.snapshot(database)
    judged = replace(judge(*moments, back, empty), lost=snapshots.destroyed(*moments, back))
    if judged.verdict == "no-op":
        return judged
    if error := stage.move("upgrade", database, upper):
        found = "" if judged.verdict == "lossless" else f"{judged.detail} "
        return replace(judged, verdict="fails", detail=f"{found}After the way back: {error}")
    return judged
