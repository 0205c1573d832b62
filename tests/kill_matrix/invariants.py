"""The promises that hold after every fault, each as the sentences that say where it is broken; none is good."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from promoter.health import accepted_versions
from promoter.ledger.promotions import Promotion
from promoter.ledger.steps import Step
from promoter.records import Image, Rehearsal, Rollout
from tests.kill_matrix.calls import Entry
from tests.kill_matrix.state import Life, State

DOWNGRADE = "process migration_runner downgrade"
FIRST = "v1.0.2"
"""The release that the sandbox begins with; no promotion made it."""


@dataclass(frozen=True)
class Story:
    """One push, or one wish to go back, whatever was killed on its way, and what came of it."""

    before: State
    after: State
    epochs: Sequence[int]
    """Of the environment, after each process."""
    promotions: Sequence[Promotion]
    """That came with it, none where it was killed before it was accepted."""
    steps: Sequence[Step]
    calls: Sequence[Entry]
    """Of every process, in their order."""
    lives: Sequence[Life]
    """Of the tasks of the newer definition: the one that a promotion brings, or that a rollback leaves."""
    idle: Sequence[Entry]
    """The calls of one more recovery, after the end."""

    def result(self, stage: str) -> Any:
        """Return the record of a stage, None where it has none."""
        return next((step.result for step in self.steps if step.stage == stage), None)

    @property
    def promotion(self) -> Promotion | None:
        """The one promotion."""
        return self.promotions[0] if self.promotions else None

    def goal(self) -> tuple[Image, tuple[str, ...]]:
        """Return the image and the heads of the release that was wanted."""
        plan = self.result("plan_rollback")
        if plan is None:
            return self.result("publish_image"), self.result("migrate").after
        return plan.image, plan.heads if plan.downgrade is None else plan.downgrade.after


def violations(story: Story) -> list[str]:
    """Return what is broken, with the name of the promise before it."""
    checks = {
        "I1": whole,
        "I2": named,
        "I3": fenced,
        "I4": ordered,
        "I5": pinned,
        "I6": numbered,
        "I7": ended,
        "I9": idle,
    }
    return [f"{name}: {sentence}" for name, check in checks.items() for sentence in check(story)]


def whole(story: Story) -> Iterator[str]:
    """I1: exactly new, or exactly old."""
    promotion = story.promotion
    yield from _new(story, promotion) if promotion and promotion.outcome == "released" else _old(story)
    yield from _settled(story.after)


def _new(story: Story, promotion: Promotion) -> Iterator[str]:
    after, (image, heads) = story.after, story.goal()
    wanted = {
        "image": (after.observed.image, image.reference),
        "heads": (after.observed.heads, heads),
        "git tag": (after.tags.get(image.tag), promotion.push.commit),
        ":latest": (after.latest, image.digest),
    }
    yield from (f"released, but {what} is {is_}, not {want}" for what, (is_, want) in wanted.items() if is_ != want)
    if after.observed.version not in accepted_versions(image.tag, "main"):
        yield f"released, but {after.observed.version} answers, not {image.tag}"


def _old(story: Story) -> Iterator[str]:
    before, after = story.before, story.after
    parts: dict[str, tuple[object, object]] = {
        "task definition": (before.observed.definition, after.observed.definition),
        "image": (before.observed.image, after.observed.image),
        "version that answers": (before.observed.version, after.observed.version),
        "git tags": (before.tags, after.tags),
        ":latest": (before.latest, after.latest),
    }
    kept = story.promotion is not None and story.promotion.outcome == "schema_kept"
    if not kept:
        parts["heads"] = (before.observed.heads, after.observed.heads)
    if not kept and before.schema != after.schema:
        yield "not released, but the schema is not as it was"
    yield from (
        f"not released, but the {what} was {was} and is {is_}" for what, (was, is_) in parts.items() if was != is_
    )
    proof = next((step.result for step in story.steps if isinstance(step.result, Rehearsal)), None)
    if kept and proof is not None and proof.verdict == "lossless":
        yield "the schema was kept although the rehearsal proved that its way back loses nothing"


def _settled(after: State) -> Iterator[str]:
    states = [(one.status, one.rollout_state) for one in after.deployments]
    if states != [("PRIMARY", "COMPLETED")]:
        yield f"the service's deployments are {states}"
    for task in after.tasks:
        if not task.definition.endswith(after.observed.definition) or task.last_status != "RUNNING":
            yield f"task {task.id} of {task.definition.rpartition('/')[2]} is {task.last_status}"
    if not after.observed.healthy:
        yield f"the service is not well: {after.observed.health}"
    if after.holder is not None:
        yield f"the environment is still held by {after.holder}"
    if after.frozen is not None:
        yield f"the environment is frozen: {after.frozen}"


def named(story: Story) -> Iterator[str]:
    """I2: a tag or `:latest` for what was verified, and only for that."""
    numbers = story.after.numbers
    for tag, commit in story.after.tags.items():
        if tag != FIRST and (tag not in numbers or not numbers[tag].verified):
            yield f"tag {tag} is on {commit[:12]}, which was never verified"
    for tag, number in numbers.items():
        if number.verified and number.tagged != number.commit:
            yield f"{tag} was verified, and its tag is on {number.tagged}"
    verified = {number.digest for number in numbers.values() if number.verified}
    if story.after.latest not in verified | {story.before.latest}:
        yield f":latest is {story.after.latest}, which was never verified"


def fenced(story: Story) -> Iterator[str]:
    """I3: epochs only grow."""
    for one, other in pairwise(story.epochs):
        if other < one:
            yield f"the epoch went back from {one} to {other}"


def ordered(story: Story) -> Iterator[str]:
    """I4: no downgrade before every task of the newer definition is STOPPED."""
    for entry in story.calls:
        if entry.call.name == DOWNGRADE and entry.moment == "before":
            there = [life for life in story.lives if life.made < entry.at]
            late = [life for life in there if life.stopped is None or life.stopped > entry.at]
            if late:
                yield f"{len(late)} of {len(there)} tasks of the newer definition were not STOPPED when a downgrade began"


def pinned(story: Story) -> Iterator[str]:
    """I5: what runs is pinned, and is what was built for its number."""
    name, _, digest = story.after.observed.image.partition("@")
    tag = name.rpartition(":")[2]
    if not digest:
        yield f"the task definition does not pin {name}"
    elif tag != FIRST and (tag not in story.after.numbers or story.after.numbers[tag].digest != digest):
        yield f"{name} runs as {digest}, which is not what {tag} was built as"


def numbered(story: Story) -> Iterator[str]:
    """I6: a number names one commit and one digest, for ever."""
    for tag, was in story.before.numbers.items():
        now = story.after.numbers.get(tag)
        if now is None or now.commit != was.commit or now.digest != (was.digest or now.digest):
            yield f"{tag} named {was.commit[:12]} and {was.digest}, and now {now}"
    for tag, now in story.after.numbers.items():
        if now.digest is not None and now.pushed != now.digest:
            yield f"{tag} is bound to {now.digest}, and the registry has {now.pushed}"


def ended(story: Story) -> Iterator[str]:
    """I7: an accepted push ends once, in an outcome."""
    if len(story.promotions) > 1:
        yield f"it was promoted {len(story.promotions)} times"
    for promotion in story.promotions:
        if promotion.outcome not in {"released", "rolled_back", "schema_kept", "rejected"}:
            yield f"the promotion ended as {promotion.outcome}: {promotion.cause}"
        if promotion.outcome == "rejected" and any(isinstance(step.intent, Rollout) for step in story.steps):
            yield "the promotion is called rejected, which says that nothing was changed, and it meant to roll out"


def idle(story: Story) -> Iterator[str]:
    """I9: one more recovery does nothing."""
    names = [str(entry.call) for entry in story.idle if entry.moment == "before"]
    if names:
        yield f"one more recovery made {len(names)} calls: {', '.join(names)}"
