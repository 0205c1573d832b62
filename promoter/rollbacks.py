"""Chooses the release that an environment goes back to, and says what becomes of the schema; pure."""

from collections.abc import Sequence
from uuid import UUID

from promoter.config import DatabaseRollback
from promoter.config.problems import did_you_mean
from promoter.errors import ConfigurationError, RejectedError, SchemaError
from promoter.ledger.releases import Migrated, Verified
from promoter.records import RollbackPlan, SchemaDowngrade
from promoter.schema import policy


def choose(history: Sequence[Verified], timeline: Sequence[UUID], to: str | None, place: str) -> Verified:
    """Return the release to go back to: the one called `to`, else the one that ran before the one that runs first did.

    `history` has every release, `timeline` the promotions whose releases ran one after the other, both the newest first; `place`
    names the environment for people. Raises ConfigurationError for a version that was never verified there, RejectedError where
    there is nothing to go back to.
    """
    releases = {one.promotion: one for one in history}
    if not timeline:
        raise RejectedError(f"{place}: nothing was ever verified there, so there is nothing to go back to")
    running = releases[timeline[0]].version.tag
    if to is None:
        return _before(running, [releases[promotion] for promotion in timeline], place)
    tags = [one.version.tag for one in history]
    if to not in tags:
        raise ConfigurationError(
            f"{place}: {to!r} was never verified there; these were: {', '.join(dict.fromkeys(tags))}",
            hint=did_you_mean(to, tags),
        )
    if to == running:
        raise RejectedError(f"{place}: {to} is what was verified there last", hint="Nothing was changed.")
    return history[tags.index(to)]


def _before(running: str, ran: Sequence[Verified], place: str) -> Verified:
    first = max(index for index, one in enumerate(ran) if one.version.tag == running)
    if first + 1 == len(ran):
        raise RejectedError(f"{place}: no release ran there before {running}: nothing to go back to")
    return ran[first + 1]


def path(migrations: Sequence[Migrated], live: tuple[str, ...], target: Verified) -> list[Migrated]:
    """Return the schema changes between the heads of `target` and the `live` ones, the newest first.

    Raises SchemaError where the ledger does not know how the one became the other.
    """
    legs: list[Migrated] = []
    heads = live
    for one in migrations:
        if heads == target.heads:
            break
        if one.change.after == heads:
            legs.append(one)
            heads = one.change.before
    if heads != target.heads:
        raise SchemaError(
            f"{target.version.tag} was verified on {_said(target.heads)}, the schema is at {_said(live)}, and how it came "
            "there is not on record",
            hint="Nothing was changed. Compare the revisions; a release made for the live schema can be promoted.",
        )
    return legs


def plan(
    target: Verified,
    *,
    leaves: str,
    live: tuple[str, ...],
    legs: Sequence[Migrated],
    history: Sequence[Verified],
    with_downgrade: bool,
    rule: DatabaseRollback = "if_lossless",
) -> RollbackPlan:
    """Return the plan of a rollback to `target`; raise SchemaError if it could not run on the live schema, or the schema not go back.

    `rule` says which downgrades the environment allows.
    """
    boundary = next((leg for leg in legs if not _is_safe(leg)), None)
    if boundary is not None and not with_downgrade:
        raise SchemaError(
            f"{target.version.tag} cannot run on the live schema ({_said(live)}): {boundary.tag} changed it, {_obstacles(boundary)}",
            hint=_ways_out(leaves, boundary, legs, history, rule),
        )
    downgrade = _downgrade(target, live, legs, rule) if with_downgrade and legs else None
    return RollbackPlan(
        version=target.version,
        image=target.image,
        definition=target.definition,
        leaves=leaves,
        heads=live,
        downgrade=downgrade,
        reason=_reason(target, legs, boundary, downgrade),
    )


def describe(plan: RollbackPlan, place: str) -> list[str]:
    """Return the ordered steps of a plan, for people."""
    steps = [
        f"register {plan.definition.rpartition('/')[2]} again, with {plan.image.reference}",
        f"let {place} run it, and wait until no task of {plan.leaves} is left",
    ]
    if plan.downgrade is not None:
        steps.append(
            f"take the schema from {_said(plan.downgrade.before)} down to {_said(plan.downgrade.after)}, "
            f"with the scripts of {plan.downgrade.commit[:12]}"
        )
    steps.append(f"confirm that {plan.version.tag} answers; if it does not, everything is taken back")
    return [f"{plan.leaves} → {plan.version.tag}: {plan.reason}", *(f"{n}. {step}" for n, step in enumerate(steps, 1))]


def _is_safe(leg: Migrated) -> bool:
    return leg.rehearsal is not None and leg.rehearsal.old_release_compatible is True


def _obstacles(leg: Migrated) -> str:
    if leg.rehearsal is None or leg.rehearsal.old_release_compatible is None:
        return "and whether an older release can run on it was never proved"
    return "; ".join(leg.rehearsal.obstacles)


def _ways_out(
    leaves: str, boundary: Migrated, legs: Sequence[Migrated], history: Sequence[Verified], rule: DatabaseRollback
) -> str:
    safe = [one for one in history if one.heads == boundary.change.after and one.version.tag != leaves]
    ways = [f"The nearest release that can is {safe[-1].version.tag}: `--to {safe[-1].version.tag}`."] if safe else []
    kept = [leg for leg in legs if not _comes_back(leg, rule)]
    ways.append(
        f"The schema cannot be taken back either: {_why_not(kept[0], rule)}"
        if kept
        else f"`--with-downgrade` takes the schema back too, which loses {_losses(legs)}."
    )
    return " ".join(ways)


def _downgrade(
    target: Verified, live: tuple[str, ...], legs: Sequence[Migrated], rule: DatabaseRollback
) -> SchemaDowngrade:
    for leg in legs:
        if not _comes_back(leg, rule):
            raise SchemaError(
                f"the schema cannot be taken back from {_said(live)} to {_said(target.heads)}: {_why_not(leg, rule)}",
                hint="Nothing was changed. Save what would be lost and downgrade by hand, or stay on this schema.",
            )
    catalogue = legs[-1].change.catalogue if all(policy.restores(leg.rehearsal) for leg in legs) else None
    return SchemaDowngrade(before=live, after=target.heads, commit=legs[0].commit, catalogue=catalogue)


def _comes_back(leg: Migrated, rule: DatabaseRollback) -> bool:
    return policy.takes_back(rule, leg.rehearsal, leg.change.before)


def _why_not(leg: Migrated, rule: DatabaseRollback) -> str:
    if rule == "never":
        return 'this environment keeps its schema (database_rollback = "never")'
    return f"{leg.tag}, {_doubt(leg)}"


def _losses(legs: Sequence[Migrated]) -> str:
    lossy = [leg.rehearsal for leg in legs if leg.rehearsal is not None and leg.rehearsal.verdict != "lossless"]
    return "; ".join(map(policy.loss, lossy)) or "nothing"


def _doubt(leg: Migrated) -> str:
    return "never rehearsed" if leg.rehearsal is None else f"{leg.rehearsal.verdict}: {leg.rehearsal.detail}"


def _reason(
    target: Verified, legs: Sequence[Migrated], boundary: Migrated | None, downgrade: SchemaDowngrade | None
) -> str:
    if not legs:
        return f"the schema is still the one that {target.version.tag} was verified on."
    changes = f"{len(legs)} schema change{'s' if len(legs) > 1 else ''} since {target.version.tag}"
    if downgrade is not None:
        return f"{changes}, taken back afterwards, which loses {_losses(legs)}."
    assert boundary is None  # noqa: S101 - else `plan` raised
    return f"{changes}, none of which takes anything away from it."


def _said(heads: tuple[str, ...]) -> str:
    return ", ".join(heads) or "no revision"
