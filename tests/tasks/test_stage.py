"""What makes a function a stage, on a real ledger: intent first, result after, and nothing twice."""

import signal
from collections.abc import Callable

import pytest
from prefect.exceptions import TerminationSignal

from promoter.config import Service
from promoter.errors import LeaseError, PromoterError, RolloutError
from promoter.ledger import leases, promotions, steps
from promoter.ledger.connection import connect
from promoter.ledger.leases import Lease
from promoter.ledger.promotions import Promotion
from promoter.ledger.steps import Step
from promoter.records import HealthReport, Push, Rollout, SchemaChange
from promoter.settings import Settings
from tasks.stage import Acting, carry_out, recorded, stage

COMMIT = "a" * 40
DRIVER = "the flow"
OLD_TO_NEW = Rollout(before="tsk:1", after="tsk:2")


@pytest.fixture
def promotion(settings: Settings, make_service: Callable[..., Service]) -> Promotion:
    """Return a promotion to staging that `DRIVER` moves."""
    push = Push(repository="https://git.example/api.git", branch="test", commit=COMMIT, base="v1.0.2")
    with connect(settings) as ledger:
        accepted = promotions.accept(ledger, make_service(), push)
        promotions.drive(ledger, accepted.id, DRIVER, 30)
        return promotions.get(ledger, accepted.id)


@pytest.fixture
def lease(promotion: Promotion, settings: Settings) -> Lease:
    """Return the environment's lease, held by `DRIVER`."""
    with connect(settings) as ledger:
        return leases.take(ledger, promotion, driver=DRIVER, seconds=30)


def step_of(promotion: Promotion, name: str) -> Step:
    """Return a step as the ledger has it."""
    with connect() as ledger:
        found = steps.find(ledger, promotion.id, name)
    assert found is not None
    return found


def test_a_recorded_result_returns_at_once(promotion: Promotion) -> None:
    """Resuming is calling again: what is done is not done twice."""
    calls = []

    def check(_promotion: Promotion) -> SchemaChange:
        calls.append("called")
        return SchemaChange(("one",), ("two",))

    first, second = carry_out(check, promotion, []), carry_out(check, promotion, [])

    assert calls == ["called"]
    assert first == second == recorded(promotion, "check") == SchemaChange(("one",), ("two",))


def test_the_intent_is_on_record_before_the_stage_acts(promotion: Promotion, lease: Lease) -> None:
    """Whoever comes after a crash finds what was about to change."""

    def roll_out(promotion: Promotion, _lease: Lease) -> Acting[Rollout]:
        intent = yield OLD_TO_NEW
        assert step_of(promotion, "roll_out").intent == OLD_TO_NEW
        return Rollout(intent.before, intent.after, deployment="ecs-svc/1")

    carry_out(roll_out, promotion, [lease])

    assert step_of(promotion, "roll_out").result == Rollout("tsk:1", "tsk:2", deployment="ecs-svc/1")


def test_the_intent_on_record_wins_over_a_new_look(promotion: Promotion, lease: Lease) -> None:
    """A second try never takes the half-changed world for the state before."""
    looks = iter(["tsk:1", "tsk:2"])
    acted_on = []

    def roll_out(_promotion: Promotion, _lease: Lease) -> Acting[Rollout]:
        intent = yield Rollout(before=next(looks), after="tsk:2")
        acted_on.append(intent)
        if len(acted_on) == 1:
            raise RolloutError("the reply is lost", transient=True)
        return intent

    with pytest.raises(RolloutError):
        carry_out(roll_out, promotion, [lease])
    carry_out(roll_out, promotion, [lease])

    assert acted_on == [OLD_TO_NEW, OLD_TO_NEW]


def test_a_failing_stage_records_its_error(promotion: Promotion) -> None:
    """The ledger tells the cause when the flow's memory is gone; a good try later clears it."""
    tries = iter([RolloutError("no capacity", hint="Try again later.")])

    def roll_out(_promotion: Promotion) -> Rollout:
        for error in tries:
            raise error
        return OLD_TO_NEW

    with pytest.raises(RolloutError):
        carry_out(roll_out, promotion, [])
    failed = step_of(promotion, "roll_out")
    carry_out(roll_out, promotion, [])

    assert (failed.error, failed.result) == ("no capacity\n→ Try again later.", None)
    assert step_of(promotion, "roll_out").error is None


def test_no_foreign_error_tells_a_secret(promotion: Promotion, settings: Settings) -> None:
    """A library may tell what it was given: neither the ledger nor Prefect keeps that with the stage."""
    password = settings.ledger_password.get_secret_value() if settings.ledger_password else ""

    def migrate(_promotion: Promotion) -> SchemaChange:
        raise KeyError(f"no such host: {password}@db")

    with pytest.raises(PromoterError) as told:
        carry_out(migrate, promotion, [])

    assert step_of(promotion, "migrate").error == "'no such host: ***@db'"
    assert str(told.value) == "KeyError: 'no such host: ***@db'"
    assert told.value.__suppress_context__


def test_a_stage_that_is_cut_off_has_no_error_of_its_own(promotion: Promotion) -> None:
    """A cancellation or a timeout is the promotion's cause, told by whoever ends it."""

    def roll_out(_promotion: Promotion) -> Rollout:
        raise TerminationSignal(signal.SIGTERM)

    with pytest.raises(TerminationSignal):
        carry_out(roll_out, promotion, [])

    assert step_of(promotion, "roll_out").error is None


def test_a_driver_that_was_taken_over_does_not_act(promotion: Promotion, lease: Lease, settings: Settings) -> None:
    """What it looked at stays a look: the lease is passed before the intent is written."""
    acted = []

    def roll_out(_promotion: Promotion, _lease: Lease) -> Acting[Rollout]:
        take_over(promotion, settings)
        intent = yield OLD_TO_NEW
        acted.append(intent)
        return intent

    with pytest.raises(LeaseError):
        carry_out(roll_out, promotion, [lease])

    assert acted == []
    assert step_of(promotion, "roll_out").intent is None


def test_the_result_of_a_driver_that_was_taken_over_is_refused(
    promotion: Promotion, lease: Lease, settings: Settings
) -> None:
    """A zombie may wake up, and writes nothing: neither a result nor VERIFIED."""

    def verify(_promotion: Promotion, _lease: Lease) -> HealthReport:
        take_over(promotion, settings)
        return healthy()

    with pytest.raises(LeaseError):
        carry_out(verify, promotion, [lease], commits=True)

    assert step_of(promotion, "verify").result is None
    assert verified(promotion) is False


def test_the_commit_stage_writes_verified_with_its_result(promotion: Promotion, lease: Lease) -> None:
    """Result and commit point are one transaction; no other stage reaches it."""

    def verify(_promotion: Promotion, _lease: Lease) -> HealthReport:
        return healthy()

    carry_out(verify, promotion, [lease], commits=True)

    assert step_of(promotion, "verify").result == healthy()
    assert verified(promotion)


def test_a_result_that_cannot_be_committed_is_no_result(
    promotion: Promotion, lease: Lease, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where VERIFIED cannot be written, the result is not there either."""

    def verify(_promotion: Promotion, _lease: Lease) -> HealthReport:
        return healthy()

    def lose_the_ledger(*_: object) -> None:
        raise RolloutError("the ledger went away")

    monkeypatch.setattr(promotions, "verify", lose_the_ledger)
    with pytest.raises(RolloutError):
        carry_out(verify, promotion, [lease], commits=True)

    assert step_of(promotion, "verify").result is None


def test_a_stage_yields_once(promotion: Promotion, lease: Lease) -> None:
    """A second intent would never be recorded, so it is a mistake of the program."""

    def roll_out(_promotion: Promotion, _lease: Lease) -> Acting[Rollout]:
        yield OLD_TO_NEW
        yield OLD_TO_NEW
        return OLD_TO_NEW

    with pytest.raises(TypeError, match="yields its intent"):
        carry_out(roll_out, promotion, [lease])


def test_a_stage_is_a_task_that_keeps_its_name_and_its_retries() -> None:
    """Prefect shows the verb; only what may pass later is tried again."""

    @stage(retries=2, delays=(1, 5))
    def move(_promotion: Promotion) -> Rollout:
        """Move it."""
        return OLD_TO_NEW

    assert (move.name, move.retries, move.retry_delay_seconds) == ("move", 2, [1, 5])
    assert move.retry_condition_fn is not None


def take_over(promotion: Promotion, settings: Settings) -> None:
    """Let another driver take the promotion and its environment over, as after a long silence."""
    with connect(settings) as ledger:
        ledger.execute("UPDATE promotions SET alive_until = NULL, driver = NULL WHERE id = %s", [promotion.id])
        leases.take(ledger, promotion, driver="another", seconds=30)


def verified(promotion: Promotion) -> bool:
    """Say whether the promotion has passed the commit point."""
    with connect() as ledger:
        return promotions.get(ledger, promotion.id).verified_at is not None


def healthy() -> HealthReport:
    """Return what a good release answers."""
    return HealthReport(url="https://api.example/health", version="v1.0.3-test", answers=3, tries=3, seconds=1.0)
