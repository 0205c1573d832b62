"""Puts together what is known of the pending migrations before they run: SQL, locks, findings, hazards, verdicts."""

from dataclasses import replace
from pathlib import Path

from promoter.config import DatabaseRollback, Migrations
from promoter.records import Hazard, PlannedRevision, Rehearsal, SchemaPlan, WrittenRevision
from promoter.schema import hazards, lint, locks, migrations, policy, sources
from promoter.schema.hazards import Found
from promoter.schema.revisions import Revision
from promoter.schema.sources import Source


def plan(checkout: Path, rule: Migrations, rehearsal: Rehearsal, rollback: DatabaseRollback) -> SchemaPlan:
    """Return what the migrations of `checkout` will do to the schema from where the rehearsal started; no database is asked.

    Raises SchemaError where a migration cannot be read, acknowledges something in words that nobody knows, or the linter does not run.
    """
    found = migrations.script(checkout, rule)
    pending, written = found.pending(rehearsal.before), {one.revision: one for one in rehearsal.written}
    read = {one.id: sources.read(one.path, checkout) for one in pending}
    planned = [_planned(one, read[one.id], written.get(one.id, _unwritten(one)), rehearsal) for one in pending]
    dangers = hazards.hazards(rehearsal, {one.revision: one.findings for one in planned})
    revisions = tuple(_with_hazards(one, read[one.revision], dangers[one.revision]) for one in planned)
    return SchemaPlan(rehearsal.before, rehearsal.after, revisions, policy.way_back(rollback, rehearsal))


def _planned(revision: Revision, source: Source, written: WrittenRevision, rehearsal: Rehearsal) -> PlannedRevision:
    rehearsed = next((one for one in rehearsal.revisions if one.revision == revision.id), None)
    return PlannedRevision(
        revision=revision.id,
        message=revision.message,
        file=source.file,
        line=source.line,
        sql=written.sql,
        unwritten=written.error,
        locks=locks.taken(written.sql or ""),
        findings=lint.findings(written, source),
        verdict=rehearsed.verdict if rehearsed else None,
        detail=rehearsed.detail if rehearsed else "",
    )


def _unwritten(revision: Revision) -> WrittenRevision:
    return WrittenRevision(revision.id, None, "an older version of Promoter rehearsed it")


def _with_hazards(revision: PlannedRevision, source: Source, found: Found) -> PlannedRevision:
    dangers = tuple(
        Hazard(kind, what, source.line_of(" ".join(what)), source.acknowledged.get(kind))
        for kind, what in found.items()
    )
    return replace(revision, hazards=dangers)
