"""How an interrupted promotion is brought to its end: an answer for every phase, and always the same one."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from promoter.config import Service
from promoter.ledger.promotions import Promotion
from promoter.ledger.steps import Step
from promoter.records import Push, Rehearsal, Release, Rollout, SchemaChange, TaskDefinition, Version
from promoter.recovery import Action, changes, decide, way_back, why_kept

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MIGRATED = SchemaChange(("one",), ("two",))
ROLLED_OUT = Rollout("tsk:1", "tsk:2")
NUMBERED = Version("v1.0.3-test", "1.0.3-test", "v1.0.2", "a" * 40, "test", "the next one")
REGISTERED = TaskDefinition("tsk:1", "tsk:2")
TAGGED = Release("v1.0.3-test", "a" * 40, "sha256:" + "1" * 64)

steps = st.builds(
    Step,
    stage=st.sampled_from(["compute_version", "migrate", "register", "roll_out", "verify", "tag_release"]),
    record_type=st.just("Rollout"),
    intent=st.sampled_from([None, MIGRATED, ROLLED_OUT, TAGGED]),
    result=st.sampled_from([None, NUMBERED, REGISTERED, MIGRATED, ROLLED_OUT, TAGGED]),
    error=st.none() | st.text(),
    started_at=st.just(NOW),
    finished_at=st.none() | st.just(NOW),
    undone=st.sampled_from([None, "undone", "kept", "nothing"]),
)
moments = st.none() | st.just(NOW)


@pytest.fixture
def promotion(make_service: Callable[..., Service]) -> Promotion:
    """Return a promotion that is under way."""
    push = Push(repository="https://git.example/api.git", branch="test", commit="a" * 40, base="v1.0.2")
    return Promotion(UUID(int=1), push, make_service(), None, None, NOW, None, None, None, None)


def step(stage: str, intent: object, undone: str | None = None) -> Step:
    """Return a step with an intent and no result."""
    return Step(stage, type(intent).__name__, intent, None, None, NOW, None, undone)


@given(recorded=st.lists(steps, max_size=6), verified=moments, ended=moments)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_there_is_one_action_for_every_phase(
    promotion: Promotion, recorded: list[Step], verified: datetime | None, ended: datetime | None
) -> None:
    """Ended is ended; verified leads forward; a change leads back; nothing else is left but to reject."""
    action = decide(replace(promotion, verified_at=verified, ended_at=ended), recorded)

    changed = any(isinstance(one.intent, SchemaChange | Rollout) for one in recorded)
    expected = (
        (ended is not None, Action.NOTHING),
        (verified is not None, Action.FORWARD),
        (changed, Action.BACK),
        (True, Action.REJECT),
    )
    assert action is next(answer for holds, answer in expected if holds)


@given(recorded=st.lists(steps, max_size=6))
def test_what_was_taken_back_is_not_taken_back_again(recorded: list[Step]) -> None:
    """The way back ends: each undo leaves one step less."""
    left = way_back(recorded)

    assert all(one.undone is None for one in left)
    assert way_back([replace(one, undone="undone") for one in recorded]) == []


def test_the_newest_change_is_taken_back_first() -> None:
    """The service goes back before the schema that it may still need."""
    recorded = [step("migrate", MIGRATED), step("roll_out", ROLLED_OUT)]

    assert [one.stage for one in way_back(recorded)] == ["roll_out", "migrate"]


def test_an_intent_without_a_result_leads_back(promotion: Promotion) -> None:
    """The change may have happened although nobody saw its answer."""
    assert decide(promotion, [step("migrate", MIGRATED)]) is Action.BACK


def test_a_way_back_that_was_cut_off_at_its_end_is_still_a_way_back(promotion: Promotion) -> None:
    """A promotion whose steps are all undone did change something: it is no rejected one."""
    recorded = [step("migrate", MIGRATED, undone="kept"), step("roll_out", ROLLED_OUT, undone="undone")]

    assert decide(promotion, recorded) is Action.BACK
    assert way_back(recorded) == []
    assert len(changes(recorded)) == 2


def test_names_are_not_taken_back() -> None:
    """A tag is set after the commit point, where nothing leads back."""
    assert changes([step("tag_release", TAGGED)]) == []


def test_a_schema_that_is_kept_says_why_and_what_to_decide() -> None:
    """Both revisions, what the rehearsal found, and the two ways on."""
    proof = Rehearsal(("one",), ("two",), "lossy", "Lost on the way back: notes.mood.")
    rehearsed = Step("rehearse", "Rehearsal", None, proof, None, NOW, NOW, None)

    told = why_kept([rehearsed, step("migrate", MIGRATED)])

    assert told.startswith("The schema stays at two")
    assert "not taken back to one, since the rehearsal says lossy: Lost on the way back: notes.mood." in told
    assert "\n→ " in told


def test_a_schema_that_was_never_rehearsed_says_so() -> None:
    """No proof is a reason too."""
    assert "never rehearsed" in why_kept([step("migrate", MIGRATED)])


def test_an_environment_that_keeps_its_schema_says_so() -> None:
    """The policy is the reason, whatever the rehearsal found."""
    proof = Rehearsal(("one",), ("two",), "lossless", "Schema and rows came back.")
    rehearsed = Step("rehearse", "Rehearsal", None, proof, None, NOW, NOW, None)

    told = why_kept([rehearsed, step("migrate", MIGRATED)], "never")

    assert 'this environment keeps its schema (database_rollback = "never")' in told
    assert "lossless" not in told
