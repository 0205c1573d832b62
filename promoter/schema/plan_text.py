"""Tells a schema plan to people, line by line; loads nothing that a command line would have to wait for."""

from promoter.records import PlannedRevision, SchemaPlan
from promoter.schema import locks


def describe(plan: SchemaPlan) -> list[str]:
    """Return a plan for people, line by line."""
    lines = [f"schema: {_heads(plan.start)} → {_heads(plan.end)}"]
    for one in plan.revisions:
        lines += ["", f"{one.revision}: {one.message} ({one.file}:{one.line})"]
        lines += [f"  {line}" for line in _details(one)]
        lines += [f"    {line}" for line in (one.sql or f"no SQL: {one.unwritten or 'it runs none'}").splitlines()]
    return [*lines, "", f"this release can be rolled back: {plan.way_back}"]


def notes(revision: PlannedRevision) -> list[str]:
    """Return the findings and hazards of a revision, one line each."""
    found = [f"{one.file}:{one.line}: {one.level} {one.rule}: {one.message}" for one in revision.findings]
    for one in revision.hazards:
        known = f"acknowledged: {one.acknowledged}" if one.acknowledged else "not acknowledged"
        found.append(f"{revision.file}:{one.line}: {one.kind} ({known}): {'; '.join(one.what)}")
    return found


def locked(revision: PlannedRevision) -> list[str]:
    """Return the locks of a revision, one line each: `notes: ACCESS EXCLUSIVE, reads and writes wait`."""
    return [f"{one.table}: {one.mode}, {locks.waits(one.mode)}" for one in revision.locks]


def _details(revision: PlannedRevision) -> list[str]:
    verdict = f"{revision.verdict}: {revision.detail}" if revision.verdict else "not rehearsed"
    return [f"rehearsal {verdict}", *(f"locks {line}" for line in locked(revision)), *notes(revision)]


def _heads(heads: tuple[str, ...]) -> str:
    return ", ".join(heads) or "no revision"
