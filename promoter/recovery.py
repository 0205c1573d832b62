"""Decides how an interrupted promotion comes to its end; pure, and total over every phase.

Before the commit point everything leads back, after it everything leads forward.
"""

from collections.abc import Sequence
from enum import StrEnum

from promoter.config import DatabaseRollback
from promoter.ledger.promotions import Promotion
from promoter.ledger.steps import Step
from promoter.records import Rehearsal, SchemaChange


class Action(StrEnum):
    """What brings a promotion to its end."""

    NOTHING = "nothing"
    """It has ended."""
    FORWARD = "forward"
    """It is verified: run its flow again, what is done returns at once."""
    BACK = "back"
    """It changed something, or meant to: undo its steps, the newest first, and end it when none is left."""
    REJECT = "reject"
    """It changed nothing: end it."""


def decide(promotion: Promotion, steps: Sequence[Step]) -> Action:
    """Return the one action that brings `promotion` closer to its end; the caller drives it (`promotions.drive`)."""
    if promotion.ended_at is not None:
        return Action.NOTHING
    if promotion.verified_at is not None:
        return Action.FORWARD
    return Action.BACK if changes(steps) else Action.REJECT


def changes(steps: Sequence[Step]) -> list[Step]:
    """Return the steps that meant to change something, the newest first, taken back or not.

    An intent without a result counts too: the change may have happened although nobody saw its answer.
    """
    return [step for step in reversed(steps) if hasattr(step.intent, "before")]


def way_back(steps: Sequence[Step]) -> list[Step]:
    """Return the changes that still have to be undone, the newest first."""
    return [step for step in changes(steps) if step.undone is None]


def why_kept(steps: Sequence[Step], rule: DatabaseRollback = "if_lossless") -> str:
    """Return why the schema of an old release is the new one, and what a person has to decide; `rule` is the environment's."""
    change = next(step.intent for step in steps if isinstance(step.intent, SchemaChange))
    proof = next((step.result for step in steps if isinstance(step.result, Rehearsal)), None)
    doubt = f"the rehearsal says {proof.verdict}: {proof.detail}" if proof else "its way back was never rehearsed"
    if rule == "never":
        doubt = 'this environment keeps its schema (database_rollback = "never")'
    here, there = (", ".join(heads) or "no revision" for heads in (change.after, change.before))
    return (
        f"The schema stays at {here}, and the old release runs on it: it was not taken back to {there}, since {doubt}\n"
        "→ Release a commit that has these migrations, or save what would be lost and downgrade by hand."
    )
