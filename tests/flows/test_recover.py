"""How an interrupted promotion ends, on a real ledger: once, by one driver, and by what it had changed."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from uuid import uuid4

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.recover import bring_to_an_end, recover_all
from promoter.config import Service
from promoter.errors import LedgerError
from promoter.ledger import leases, promotions, steps
from promoter.ledger.connection import connect
from promoter.ledger.promotions import Outcome, Promotion
from promoter.records import Push, Rehearsal, Rollout, SchemaChange, TaskDefinition
from promoter.recovery import Action, decide
from promoter.settings import Settings

MIGRATED = SchemaChange(("one",), ("two",))
ROLLED_OUT = Rollout("tsk:1", "tsk:2")


@pytest.fixture
def promotion(settings: Settings, make_service: Callable[..., Service]) -> Promotion:
    """Return a promotion to staging whose driver vanished."""
    push = Push(repository="https://git.example/api.git", branch="test", commit="a" * 40, base="v1.0.2")
    with connect(settings) as ledger:
        accepted = promotions.accept(ledger, make_service(), push)
        leases.take(ledger, accepted, driver="vanished", seconds=0)
        return promotions.get(ledger, accepted.id)


def do(promotion: Promotion, stage: str, intent: object, *, undone: str | None = None) -> None:
    """Record a step that meant to change something."""
    with connect() as ledger:
        steps.begin(ledger, promotion.id, stage, type(intent).__name__)
        steps.intend(ledger, promotion.id, stage, intent)
        if undone is not None:
            steps.undo(ledger, promotion.id, stage, undone)


def end(promotion: Promotion) -> Promotion:
    """Let another driver bring it to its end."""
    return bring_to_an_end(promotion.id, driver="another", cause="its driver vanished")


def test_what_changed_nothing_is_rejected(promotion: Promotion) -> None:
    """The cause is the error of the step that failed, where there is one."""
    with connect() as ledger:
        steps.begin(ledger, promotion.id, "run_checks", "TestReport")
        steps.fail(ledger, promotion.id, "run_checks", "1 of 11 tests fail")

    ended = end(promotion)

    assert (ended.outcome, ended.cause) == ("rejected", "1 of 11 tests fail")


def test_a_promotion_that_nobody_drives_is_found(promotion: Promotion) -> None:
    """Without an error of a step, the cause says that its driver vanished."""
    assert [(one.id, one.outcome, one.cause) for one in recover_all()] == [
        (promotion.id, "rejected", "its driver vanished")
    ]
    assert recover_all() == []


def test_what_has_ended_is_left_alone(promotion: Promotion) -> None:
    """A second time does nothing (I9)."""
    first = end(promotion)

    assert end(promotion) == first


def test_a_living_driver_is_left_alone(promotion: Promotion) -> None:
    """Two that recover at once are harmless."""
    with connect() as ledger:
        promotions.drive(ledger, promotion.id, "one", 30)

    assert end(promotion).outcome is None


def test_a_hook_that_leaves_the_way_forward_lets_another_go_it_at_once(promotion: Promotion) -> None:
    """Nobody waits for the end of a lease that nobody uses."""
    with connect() as ledger:
        promotions.verify(ledger, promotion.id)

    left = bring_to_an_end(promotion.id, driver="hook", cause="crashed", forward=False)

    assert (left.outcome, left.driver) == (None, None)
    with connect() as ledger:
        assert [one.id for one in promotions.abandoned(ledger)] == [promotion.id]


def test_one_that_cannot_be_recovered_keeps_no_other_waiting(
    promotion: Promotion, make_service: Callable[..., Service], caplog: pytest.LogCaptureFixture
) -> None:
    """What is in its way is told, and it stays for the next time."""
    do(promotion, "register", TaskDefinition("tsk:1", "tsk:2"))  # has no inverse
    push = replace(promotion.push, branch="dev", commit="b" * 40)
    with connect() as ledger:
        waiting = promotions.accept(ledger, make_service(), push)

    recovered = recover_all()

    assert [(one.id, one.outcome) for one in recovered] == [(promotion.id, None), (waiting.id, "rejected")]
    assert f"promotion {promotion.id} is not yet at its end: TypeError: nobody knows the inverse" in caplog.text


def test_recover_alone_knows_every_inverse() -> None:
    """No flow has to be imported besides: it runs in a process of its own."""
    script = (
        "from flows.recover import undo\nprint(sorted(kind.__name__ for kind in undo.registry if kind is not object))"
    )

    known = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout

    assert known == "['Rollout', 'SchemaChange', 'SchemaDowngrade']\n"


def test_the_way_back_needs_no_prefect(promotion: Promotion, caplog: pytest.LogCaptureFixture) -> None:
    """A server that does not answer is told later; the promotion has ended all the same."""
    with connect() as ledger:
        promotions.accept(ledger, promotion.service, promotion.push, flow_run=uuid4())

    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        recovered = recover_all()

    assert [one.outcome for one in recovered] == ["rejected"]
    assert f"promotion {promotion.id} is rejected, but Prefect is not told so yet" in caplog.text


def take_over(promotion: Promotion) -> None:
    """Let a third driver take the way back over, as after a long silence of the other."""
    with connect() as ledger:
        ledger.execute("UPDATE promotions SET alive_until = NULL, driver = NULL WHERE id = %s", [promotion.id])
        leases.take(ledger, promotion, driver="a third", seconds=30)


def test_who_was_taken_over_on_the_way_back_freezes_nothing(
    promotion: Promotion, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refused fence is no failed way back: the other driver is at work."""

    def wake_up_late(_record: object, promotion: Promotion, lease: leases.Lease) -> str:
        take_over(promotion)
        leases.fence(lease)
        return "undone"

    do(promotion, "roll_out", ROLLED_OUT)
    monkeypatch.setattr("flows.recover.undo", wake_up_late)

    assert end(promotion).outcome is None
    with connect(settings) as ledger:
        assert leases.frozen(ledger, "api", "staging") is None


def test_who_was_taken_over_on_the_way_back_ends_nothing(promotion: Promotion, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the environment would be free while the other driver still changes it."""

    def wake_up_late(_record: object, promotion: Promotion, _lease: leases.Lease) -> str:
        take_over(promotion)
        return "undone"

    do(promotion, "roll_out", ROLLED_OUT)
    monkeypatch.setattr("flows.recover.undo", wake_up_late)

    assert end(promotion).outcome is None


def test_nobody_takes_over_between_the_decision_and_the_end(
    promotion: Promotion, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was found to have changed nothing cannot begin to change something before it has ended."""

    def decide_undisturbed(promotion: Promotion, recorded: list[steps.Step]) -> Action:
        with pytest.raises(LedgerError, match="could not obtain lock"), connect() as another:
            another.execute("SELECT 1 FROM promotions WHERE id = %s FOR UPDATE NOWAIT", [promotion.id])
        return decide(promotion, recorded)

    monkeypatch.setattr("flows.recover.decide", decide_undisturbed)

    assert end(promotion).outcome == "rejected"


@pytest.mark.parametrize(
    ("schema", "outcome"), [("undone", "rolled_back"), ("nothing", "rolled_back"), ("kept", "schema_kept")]
)
def test_a_way_back_that_was_cut_off_at_its_end_is_ended_as_what_it_was(
    promotion: Promotion, schema: str, outcome: Outcome
) -> None:
    """Killed after the last undo and before the end: nothing is undone twice, and the outcome is the true one."""
    do(promotion, "migrate", MIGRATED, undone=schema)
    do(promotion, "roll_out", ROLLED_OUT, undone="undone")

    assert end(promotion).outcome == outcome


def test_a_kept_schema_is_told_with_its_reason(promotion: Promotion) -> None:
    """What the rehearsal found stands beside the cause."""
    with connect() as ledger:
        steps.begin(ledger, promotion.id, "rehearse", "Rehearsal")
        steps.finish(ledger, promotion.id, "rehearse", Rehearsal(("one",), ("two",), "lossy", "Lost: notes.mood."))
    do(promotion, "migrate", MIGRATED, undone="kept")

    assert "lossy: Lost: notes.mood." in (end(promotion).cause or "")


def test_the_environment_is_free_afterwards(promotion: Promotion, settings: Settings) -> None:
    """The next promotion may have it."""
    end(promotion)
    push = Push(repository="https://git.example/api.git", branch="test", commit="b" * 40, base="v1.0.2")

    with connect(settings) as ledger:
        following = promotions.accept(ledger, promotion.service, push)

        assert leases.take(ledger, following, driver="next", seconds=30).epoch == 2
