"""Decides about a schema change: whether the promotion goes on, and whether the schema is taken back by itself; pure."""

from collections.abc import Sequence

from promoter.config import DatabaseRollback, UnsafeMigrations
from promoter.errors import SchemaError
from promoter.records import Hazard, PlannedRevision, Rehearsal, SchemaPlan, SchemaReview

TAKEN_BACK: dict[DatabaseRollback, frozenset[str]] = {
    "never": frozenset(),
    "if_lossless": frozenset({"lossless"}),
    "always": frozenset({"lossless", "lossy", "unproved"}),
}
"""The verdicts after which a downgrade runs by itself; one that fails or does nothing never does."""


def takes_back(rule: DatabaseRollback, rehearsal: Rehearsal | None, before: tuple[str, ...]) -> bool:
    """Say whether the downgrade to the heads `before` runs by itself; what was never rehearsed from there does not."""
    return rehearsal is not None and rehearsal.before == before and rehearsal.verdict in TAKEN_BACK[rule]


def restores(rehearsal: Rehearsal | None) -> bool:
    """Say whether the way back is proved to bring every object back as it was; else a difference is known beforehand."""
    return rehearsal is not None and rehearsal.verdict == "lossless"


def way_back(rule: DatabaseRollback, rehearsal: Rehearsal) -> str:
    """Complete the sentence `this release can be rolled back: …`."""
    if rehearsal.before == rehearsal.after:
        return "yes"
    if fails_upwards(rehearsal):
        return f"no, because it cannot be applied. {rehearsal.detail}"
    if takes_back(rule, rehearsal, rehearsal.before):
        return "yes" if rehearsal.verdict == "lossless" else f"yes, losing {loss(rehearsal)}"
    stays = "this environment keeps its schema" if rule == "never" else f"{rehearsal.verdict}: {rehearsal.detail}"
    if rehearsal.old_release_compatible:
        return f"yes, on the new schema, which stays ({stays})"
    broken = "; ".join(rehearsal.obstacles) or "whether the release before can run on the new schema is not proved"
    return f"no, because the schema stays ({stays}) and the release before does not fit it ({broken})"


def loss(rehearsal: Rehearsal) -> str:
    """Complete the sentence `taking it back loses …`."""
    if rehearsal.verdict == "lossless":
        return "nothing"
    what = "rows, values or a part of the schema" if rehearsal.verdict == "lossy" else "what nobody could prove"
    return f"{what} ({rehearsal.detail})"


def fails_upwards(rehearsal: Rehearsal) -> bool:
    """Say whether the upgrade itself failed; a way back that fails leaves it known what the release before makes of the new schema."""
    return rehearsal.verdict == "fails" and rehearsal.old_release_compatible is None


def review(plan: SchemaPlan, rehearsal: Rehearsal, rule: UnsafeMigrations) -> SchemaReview:
    """Return that the promotion may go on, with what there is to warn of; raise SchemaError, with revision, file and line, if not."""
    if fails_upwards(rehearsal):
        raise SchemaError(
            f"{_culprit(plan)}: the rehearsal fails on the way up. {rehearsal.detail}",
            hint="Nothing was changed. Mend the migration; it has to run on a database that has rows in every table.",
        )
    found = unsafe(plan)
    if found and rule == "stop":
        raise SchemaError("\n".join(found), hint=_hint(plan))
    return SchemaReview(found)


def unsafe(plan: SchemaPlan) -> tuple[str, ...]:
    """Name every hazard that nobody acknowledged, one line each."""
    return tuple(f"{place(one, hazard)} {_says(hazard)}" for one, hazard in _open(plan))


def place(revision: PlannedRevision, hazard: Hazard | None = None) -> str:
    """Return `file:line: revision x`."""
    return f"{revision.file}:{hazard.line if hazard else revision.line}: revision {revision.revision}"


def _open(plan: SchemaPlan) -> list[tuple[PlannedRevision, Hazard]]:
    return [(one, hazard) for one in plan.revisions for hazard in one.hazards if hazard.acknowledged is None]


def _says(hazard: Hazard) -> str:
    if hazard.kind == "destructive":
        return f"destroys for good: {', '.join(hazard.what)}"
    return f"breaks the release that runs now: {'; '.join(hazard.what)}"


def _culprit(plan: SchemaPlan) -> str:
    if not plan.revisions:
        return "the pending migrations"
    failing = [one for one in plan.revisions if one.verdict == "fails"]
    return place((failing or [*plan.revisions])[-1])


def _hint(plan: SchemaPlan) -> str:
    marks = dict.fromkeys(
        f"`# promoter: acknowledge {hazard.kind}: REASON` in {one.file}" for one, hazard in _open(plan)
    )
    return (
        "Nothing was changed. Expand and contract in two releases: first one whose code does without it, then one that takes it "
        f"away; no release runs against its schema then. If it has to be now, write {_listed([*marks])}."
    )


def _listed(names: Sequence[str]) -> str:
    return " and ".join(names)
