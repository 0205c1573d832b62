"""Runs the pending migrations up, back and up again on a throwaway database with rows in it, and says what was lost."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg

from promoter import config, postgres
from promoter.errors import SchemaError
from promoter.records import Rehearsal, RevisionRehearsal, Verdict
from promoter.schema import migrations, offline, snapshots
from promoter.schema.compatibility import obstacles
from promoter.schema.mapped import MappedTable, unreadable
from promoter.schema.runners import Runner, SubprocessRunner, standing
from promoter.schema.snapshots import Snapshot
from promoter.schema.throwaway import Stage, Throwaway


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


SOUND = frozenset({"lossless", "unproved"})
"""Verdicts after which catalogue and rows are known to be what they were after the first way up."""


def rehearse(
    python: Path,
    variables: Mapping[str, str],
    checkout: Path,
    service: config.Service,
    *,
    server: postgres.Server,
    before: tuple[str, ...],
    schema: str | None = None,
    models: tuple[MappedTable, ...] = (),
) -> Rehearsal:
    """Rehearse what is pending in `checkout` after the heads `before`.

    `python` and `variables` are the service's own interpreter and the environment of its migrations. The starting schema is built by the
    checkout's own migrations, or is `schema`, the text of `pg_dump --schema-only`. `models` is what the release before maps; it is tried
    on the new schema. What is pending is written down as SQL too. Raises SchemaError where the checkout's revisions make no sense; all that the migrations themselves do wrong is a
    verdict.
    """
    with standing(python, variables) as launch:
        runner = SubprocessRunner(python, checkout, service.migrations, variables, service.database.variables, launch)
        found = rehearse_with(runner, server, before, schema, models)
        return replace(found, written=offline.write(runner, before))


def rehearse_with(
    runner: Runner,
    server: postgres.Server,
    before: tuple[str, ...],
    schema: str | None = None,
    models: tuple[MappedTable, ...] = (),
) -> Rehearsal:
    """Rehearse as `rehearse` does, with a runner that exists already."""
    found = migrations.script(runner.checkout, runner.rule)
    if not found.pending(before):
        return nothing(found, before)
    stage = Stage(runner, server)
    try:
        return _rehearse(stage, found, before, schema, models)
    except psycopg.Error as error:
        raise SchemaError(f"the throwaway server does not rehearse: {error}", transient=True) from error
    finally:
        stage.clear()


def nothing(found: migrations.Script, before: tuple[str, ...]) -> Rehearsal:
    """Return the rehearsal of a checkout that has nothing beyond the heads `before`."""
    return Rehearsal(before, found.heads, "lossless", "Nothing is pending.", old_release_compatible=True)


def judge(before: Snapshot, after: Snapshot, back: Snapshot, empty: Mapping[str, str]) -> Judgement:
    """Compare three moments: before the upgrade, after it, and after the downgrade; `empty` says why tables had no row.

    What only the upgrade's own objects held is lost with them by nature; rows of older tables have to survive.
    """
    differences, gone = snapshots.changed(before.objects, back.objects), snapshots.lost(before, back)
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
    before: tuple[str, ...],
    schema: str | None,
    models: tuple[MappedTable, ...],
) -> Rehearsal:
    base, note = _build(stage, before, schema)
    if base is None:
        return Rehearsal(before, found.heads, "unproved", note)
    path = _perform(stage.create(base), before, found.heads, models)
    pending = found.pending(before)
    steps = [path.of(pending[0].id)] if len(pending) == 1 else list(_each(stage, found, base, before))
    return Rehearsal(
        before=before,
        after=found.heads,
        verdict=path.verdict,
        detail=f"{path.detail} {note}".strip(),
        revisions=tuple(steps),
        old_release_compatible=None if path.obstacles is None else not path.obstacles,
        obstacles=path.obstacles or (),
        lost=path.lost,
    )


def _build(stage: Stage, before: tuple[str, ...], schema: str | None) -> tuple[Throwaway | None, str]:
    """Return where to start, and what there is to say about it; None where there is no start at all."""
    try:
        if schema is None:
            return stage.build(before, None), ""
        try:
            return stage.build(before, schema), ""
        except psycopg.Error as error:  # an extension of the cloud's own, a policy for a role
            note = (
                f"Started from the schema that the migrations build; the live one cannot be made here: {_first(error)}"
            )
            return stage.build(before, None), note
    except (SchemaError, psycopg.Error) as error:
        return None, f"The schema before cannot be built: {_first(error)}"


def _first(error: Exception) -> str:
    return str(error).partition("\n")[0]


def _each(
    stage: Stage, found: migrations.Script, base: Throwaway, before: tuple[str, ...]
) -> Iterator[RevisionRehearsal]:
    """Rehearse each revision on its own, as long as the one before it can be applied at all.

    One database goes up with them, rows and all; where the way of a revision spoils it, the next one starts on a new copy.
    """
    database, lower = stage.create(base), before
    for revision in found.pending(before):
        upper = found.after(lower, revision)
        judged = _perform(database, lower, upper)
        yield judged.of(revision.id)
        if judged.verdict in {"fails", "no-op"}:
            database = stage.create(base)
            if database.move("upgrade", upper):
                return
        lower = upper


def _perform(
    database: Throwaway, lower: tuple[str, ...], upper: tuple[str, ...], models: tuple[MappedTable, ...] = ()
) -> Judgement:
    """Go up from `lower` to `upper`, back and up again; where it stays there, it is at `upper`."""
    first = database.fill()
    before = database.snapshot()
    if error := database.move("upgrade", upper):
        return Judgement("fails", error)
    second = database.fill()
    after = database.snapshot()
    found = (*obstacles(before, after), *unreadable(database.credentials, models))
    empty = {**first.empty, **second.empty}
    judged = _return(database, moments=(before, after), lower=lower, upper=upper, empty=empty)
    sound = judged.verdict in SOUND
    database.objects, database.filled = (after.objects, second.tables) if sound else (None, {})
    return replace(judged, obstacles=found)


def _return(
    database: Throwaway,
    *,
    moments: tuple[Snapshot, Snapshot],
    lower: tuple[str, ...],
    upper: tuple[str, ...],
    empty: Mapping[str, str],
) -> Judgement:
    """Go back from `upper` to `lower` and up again, and judge it by the `moments` before and after the first way up."""
    if error := database.move("downgrade", lower):
        return Judgement("fails", error, lost=snapshots.destroyed(*moments))
    back = database.snapshot()
    judged = replace(judge(*moments, back, empty), lost=snapshots.destroyed(*moments, back))
    if judged.verdict == "no-op":
        return judged
    if error := database.move("upgrade", upper):
        found = "" if judged.verdict == "lossless" else f"{judged.detail} "
        return replace(judged, verdict="fails", detail=f"{found}After the way back: {error}")
    return judged
