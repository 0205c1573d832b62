"""Puts together what is known of the pending migrations before they run: SQL, locks, findings, hazards, verdicts."""

from dataclasses import replace

from promoter.config import DatabaseRollback
from promoter.records import Hazard, PlannedRevision, Rehearsal, SchemaPlan
from promoter.schema import hazards, lint, locks, migrations, offline, policy, sources
from promoter.schema.hazards import Found
from promoter.schema.offline import Written
from promoter.schema.revisions import Revision
from promoter.schema.runners import Runner
from promoter.schema.sources import Source
from promoter.secrets import DatabaseCredentials


def plan(runner: Runner, scratch: DatabaseCredentials, rehearsal: Rehearsal, rule: DatabaseRollback) -> SchemaPlan:
    """Return what `runner`'s checkout will do to the schema from where the rehearsal started; `scratch` may be any database.

    Raises SchemaError where a migration cannot be read, acknowledges something in words that nobody knows, or the linter does not run.
    """
    found = migrations.script(runner.checkout, runner.rule)
    pending = found.pending(rehearsal.before)
    written = offline.write(runner, scratch, found, rehearsal.before) if pending else {}
    read = {one.id: sources.read(one.path, runner.checkout) for one in pending}
    planned = [_planned(one, read[one.id], written[one.id], rehearsal) for one in pending]
    dangers = hazards.hazards(rehearsal, {one.revision: one.findings for one in planned})
    revisions = tuple(_with_hazards(one, read[one.revision], dangers[one.revision]) for one in planned)
    return SchemaPlan(rehearsal.before, rehearsal.after, revisions, policy.way_back(rule, rehearsal))


def _planned(revision: Revision, source: Source, written: Written, rehearsal: Rehearsal) -> PlannedRevision:
    rehearsed = next((one for one in rehearsal.revisions if one.revision == revision.id), None)
    return PlannedRevision(
        revision=revision.id,
        message=revision.message,
        file=source.file,
        line=source.line,
        sql=written.sql,
        unwritten=written.error,
        locks=locks.taken(written.sql or ""),
        findings=lint.findings(written, revision.id, source),
        verdict=rehearsed.verdict if rehearsed else None,
        detail=rehearsed.detail if rehearsed else "",
    )


def _with_hazards(revision: PlannedRevision, source: Source, found: Found) -> PlannedRevision:
    dangers = tuple(
        Hazard(kind, what, source.line_of(" ".join(what)), source.acknowledged.get(kind))
        for kind, what in found.items()
    )
    return replace(revision, hazards=dangers)
