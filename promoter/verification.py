"""Compares what runs in an environment with what the ledger says of it; pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar
from uuid import UUID

from promoter.health import Answer
from promoter.ledger.promotions import Promotion
from promoter.ledger.steps import Step
from promoter.records import Image, RollbackPlan, SchemaChange, Version
from promoter.text import printable

T = TypeVar("T")
Kind = Literal["sick", "drift", "unseen"]
"""It does not answer as it must; it is not what was released; it could not be looked at, which says nothing of it."""


@dataclass(frozen=True)
class Expectation:
    """What an environment runs, by the ledger."""

    promotion: UUID
    version: Version
    branch: str
    image: Image
    heads: tuple[str, ...]
    """Of its schema, sorted."""
    tagged: bool
    """Whether the git tag names its commit."""
    latest: bool
    """Whether `:latest` names its image."""


@dataclass(frozen=True)
class Seen:
    """What an environment runs, by itself: each part is what was found, or why it could not be looked at."""

    health: Answer | Exception
    image: str | Exception
    """The reference in the task definition that the service runs."""
    fleet: str | Exception | None
    """Why not every running task is of that definition; None where each is."""
    heads: tuple[str, ...] | Exception
    tag: str | Exception | None = None
    """The commit of the release's git tag; None where there is none, or none is expected."""
    latest: str | Exception | None = None
    """The digest of `:latest`; None where there is none, or none is expected."""


@dataclass(frozen=True)
class Finding:
    """What is not as it should be."""

    kind: Kind
    what: str


def expectation(promotion: Promotion, recorded: Sequence[Step], kept: SchemaChange | None) -> Expectation:
    """Return what a verified `promotion` left by its `recorded` steps; `kept` is a later change of the schema that was not taken back."""
    results = {type(step.result): step.result for step in recorded if step.result is not None}
    plan: RollbackPlan | None = results.get(RollbackPlan)
    if plan is None:
        version, image, heads = results[Version], results[Image], results[SchemaChange].after
    else:
        version, image = plan.version, plan.image
        heads = plan.heads if plan.downgrade is None else plan.downgrade.after
    return Expectation(
        promotion=promotion.id,
        version=version,
        branch=promotion.push.branch,
        image=image,
        heads=heads if kept is None else kept.after,
        tagged="tag" in promotion.rule.stages,
        latest="latest" in promotion.rule.stages,
    )


def compare(expected: Expectation | None, seen: Seen) -> tuple[Finding, ...]:
    """Return what is wrong, the gravest first; where nothing was released yet (None), the service only has to be well."""
    found = [*_sick(seen), *(() if expected is None else _drift(expected, seen)), *_unseen(seen)]
    return tuple(Finding(one.kind, printable(one.what, 400)) for one in found)


def is_trusted(findings: Sequence[Finding]) -> bool:
    """Say whether a release with these `findings` may be promoted further; what could not be looked at takes no right away."""
    return all(one.kind == "unseen" for one in findings)


def _sick(seen: Seen) -> Iterator[Finding]:
    if isinstance(seen.health, Answer) and seen.health.kind != "right":
        yield Finding("sick", f"health: {seen.health.detail}")
    if isinstance(seen.fleet, str):
        yield Finding("sick", f"tasks: {seen.fleet}")


def _drift(expected: Expectation, seen: Seen) -> Iterator[Finding]:
    pairs: list[tuple[str, object, object]] = [
        ("image", seen.image, expected.image.reference),
        ("schema", seen.heads, expected.heads),
    ]
    if expected.tagged:
        pairs.append((f"git tag {expected.version.tag}", seen.tag, expected.version.commit))
    if expected.latest:
        pairs.append((":latest", seen.latest, expected.image.digest))
    for name, found, wanted in pairs:
        if not isinstance(found, Exception) and found != wanted:
            yield Finding("drift", f"{name}: {_said(found)}, released was {_said(wanted)}")


def _unseen(seen: Seen) -> Iterator[Finding]:
    for name, found in vars(seen).items():
        if isinstance(found, Exception):
            yield Finding("unseen", f"{name}: {str(found).partition(chr(10))[0] or type(found).__name__}")


def _said(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "no revision"
    return "none" if value is None else str(value)
