"""The judge of the matrix: a story that is whole passes, and each way of breaking it is named."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from promoter.config import Service
from promoter.ecs.state import Deployment, TaskState
from promoter.ledger.promotions import Promotion
from promoter.ledger.steps import Step
from promoter.records import Image, Push, Rehearsal, Rollout, SchemaChange
from tasks.observation import Observation
from tests.kill_matrix.calls import Call, Entry
from tests.kill_matrix.invariants import DOWNGRADE, Story, violations
from tests.kill_matrix.state import Life, Number, State

OLD, NEW = f"sha256:{'0' * 64}", f"sha256:{'1' * 64}"
COMMIT = "c" * 40
NOW = datetime(2026, 1, 1, tzinfo=UTC)
IMAGE = Image("registry.example/api", "v1.1.0", NEW, ("linux/amd64",))
RELEASED = Number(COMMIT, NEW, NEW, verified=True, tagged=COMMIT)
Break = Callable[[Story], Story]


def state(definition: str, image: str, version: str, head: str) -> State:
    """Return an environment at rest that runs one release."""
    return State(
        observed=Observation(
            "production", version, "ok", healthy=True, image=image, definition=definition, heads=(head,)
        ),
        schema=head,
        deployments=(Deployment("ecs-svc/1", "PRIMARY", definition, "COMPLETED", "", 1, 1, 0, 0),),
        tasks=(TaskState("task/1", definition, "ecs-svc/1", "RUNNING", "RUNNING", None, "", ()),),
        latest=OLD,
        tags={"v1.0.2": "a" * 40},
        numbers={},
        epoch=1,
        holder=None,
        frozen=None,
    )


BEFORE = state("tsk:1", f"registry.example/api:v1.0.2@{OLD}", "v1.0.2", "one")
AFTER = replace(
    state("tsk:2", IMAGE.reference, "v1.1.0", "two"),
    latest=NEW,
    tags={**BEFORE.tags, "v1.1.0": COMMIT},
    numbers={"v1.1.0": RELEASED},
)


def step(stage: str, record: Any, *, intent: bool = False) -> Step:
    """Return a step that was done."""
    return Step(stage, type(record).__name__, record if intent else None, record, None, NOW, NOW, None)


@pytest.fixture
def released(make_service: Callable[..., Service]) -> Story:
    """Return the story of a release that went well."""
    push = Push(repository="https://git.example/api.git", branch="main", commit=COMMIT, base="v1.0.2")
    promotion = Promotion(UUID(int=1), push, make_service(), None, None, NOW, NOW, NOW, "released", None)
    steps = (
        step("rehearse", Rehearsal(("one",), ("two",), "lossless", "")),
        step("publish_image", IMAGE),
        step("migrate", SchemaChange(("one",), ("two",)), intent=True),
        step("roll_out", Rollout("tsk:1", "tsk:2"), intent=True),
    )
    return Story(BEFORE, AFTER, (1, 2), (promotion,), steps, (), (), ())


@pytest.fixture
def rolled_back(released: Story) -> Story:
    """Return the story of a release that was taken back."""
    number = replace(RELEASED, verified=False, tagged=None)
    promotion = replace(released.promotions[0], outcome="rolled_back")
    downgrade = Entry(10.0, "before", Call("recover", DOWNGRADE, 1))
    return replace(
        released,
        after=replace(BEFORE, numbers={"v1.1.0": number}, epoch=3),
        promotions=(promotion,),
        calls=(downgrade,),
        lives=(Life(1.0, 9.0),),
    )


def test_what_is_exactly_new_passes(released: Story) -> None:
    """Image, schema, tag and `:latest` agree."""
    assert violations(released) == []


def test_what_is_exactly_old_passes(rolled_back: Story) -> None:
    """As if there had been no push, but for its number."""
    assert violations(rolled_back) == []


def after(**changes: Any) -> Break:
    """Return what changes the state at the end."""
    return lambda story: replace(story, after=replace(story.after, **changes))


def observed(**changes: Any) -> Break:
    """Return what changes the observation at the end."""
    return lambda story: after(observed=replace(story.after.observed, **changes))(story)


def outcome(name: Any) -> Break:
    """Return what lets the promotion end otherwise."""
    return lambda story: replace(story, promotions=(replace(story.promotions[0], outcome=name),))


WRONG = Number("d" * 40, OLD, OLD, verified=True, tagged="d" * 40)
BOTH_SIDES: tuple[tuple[str, str, Break], ...] = (
    ("a rollout goes on", "I1", after(deployments=(*BEFORE.deployments, *BEFORE.deployments))),
    ("a task of another definition runs", "I1", after(tasks=(replace(BEFORE.tasks[0], definition="tsk:9"),))),
    ("it is not well", "I1", observed(healthy=False)),
    ("somebody holds it", "I1", after(holder=UUID(int=1))),
    ("it is frozen", "I1", after(frozen="broken")),
    ("the epoch goes back", "I3", lambda story: replace(story, epochs=(2, 1))),
    ("nothing is pinned", "I5", observed(image="registry.example/api:v1.1.0")),
    ("the registry has another digest", "I6", after(numbers={"v1.1.0": replace(RELEASED, pushed=OLD)})),
    ("it was promoted twice", "I7", lambda story: replace(story, promotions=(*story.promotions, *story.promotions))),
    ("it did not end", "I7", outcome(None)),
    ("it is called rejected", "I7", outcome("rejected")),
    ("recovery goes on", "I9", lambda story: replace(story, idle=(Entry(1.0, "before", Call("recover", "sql", 1)),))),
)
NEW_SIDE: tuple[tuple[str, str, Break], ...] = (
    ("the old image runs", "I1", observed(image=BEFORE.observed.image)),
    ("the old version answers", "I1", observed(version="v1.0.2")),
    ("the schema is the old one", "I1", observed(heads=("one",))),
    ("there is no tag", "I2", after(tags=BEFORE.tags, numbers={"v1.1.0": replace(RELEASED, tagged=None)})),
    ("`:latest` stayed", "I1", after(latest=OLD)),
    ("another digest was built", "I5", after(numbers={"v1.1.0": replace(RELEASED, digest=OLD)})),
)
OLD_SIDE: tuple[tuple[str, str, Break], ...] = (
    ("revision minus one runs", "I1", observed(definition="tsk:0")),
    ("the schema stayed", "I1", observed(heads=("two",))),
    ("the schema only says that it is back", "I1", after(schema="two")),
    ("a proven way back was not taken", "I1", outcome("schema_kept")),
    ("it was tagged before it was verified", "I2", after(tags=AFTER.tags)),
    ("`:latest` was moved before it was verified", "I2", after(latest=NEW)),
    ("the downgrade came first", "I4", lambda story: replace(story, lives=(Life(1.0, 11.0),))),
    ("a new task still runs", "I4", lambda story: replace(story, lives=(Life(1.0, None),))),
    (
        "an old number means something else",
        "I6",
        lambda story: replace(
            story, before=replace(BEFORE, numbers={"v1.0.1": WRONG}), after=replace(story.after, numbers={})
        ),
    ),
)


@pytest.mark.parametrize(
    ("name", "promise", "planted"),
    BOTH_SIDES + NEW_SIDE,
    ids=lambda value: value[:60] if isinstance(value, str) else "planted",
)
def test_a_broken_release_is_named(released: Story, name: str, promise: str, planted: Break) -> None:
    """Each promise that is broken on the new side is told as such."""
    assert promise in {found[:2] for found in violations(planted(released))}, name


@pytest.mark.parametrize(
    ("name", "promise", "planted"),
    BOTH_SIDES[:6] + OLD_SIDE,
    ids=lambda value: value[:60] if isinstance(value, str) else "planted",
)
def test_a_broken_way_back_is_named(rolled_back: Story, name: str, promise: str, planted: Break) -> None:
    """Each promise that is broken on the old side is told as such."""
    assert promise in {found[:2] for found in violations(planted(rolled_back))}, name
