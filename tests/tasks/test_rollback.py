"""What becomes of a wish for an older release that was made before, on a real ledger."""

from collections.abc import Callable

import pytest

from promoter.config import Service
from promoter.errors import RejectedError
from promoter.ledger import promotions, steps
from promoter.ledger.connection import connect
from promoter.ledger.promotions import Promotion
from promoter.records import Image, Push, Rollout, SchemaChange, TaskDefinition, Version
from promoter.settings import Settings
from tasks.rollback import accept_rollback


@pytest.fixture
def release(service: Service) -> Callable[[int], Promotion]:
    """Return what writes a release that was verified in staging."""

    def write(number: int) -> Promotion:
        commit, tag = f"{number:040x}", f"v1.0.{number}-test"
        records = {
            "compute_version": Version(tag, tag[1:], "v1.0.2", commit, "test", "because"),
            "publish_image": Image("registry.example/api", tag, f"sha256:{number:064x}", ("linux/amd64",)),
            "migrate": SchemaChange(("a",), ("a",)),
            "register": TaskDefinition(f"api:{number - 1}", f"api:{number}"),
        }
        push = Push(repository=service.repository, branch="test", commit=commit, base="v1.0.2")
        with connect() as ledger:
            promotion = promotions.accept(ledger, service, push)
            for stage, record in records.items():
                steps.begin(ledger, promotion.id, stage, type(record).__name__)
                steps.finish(ledger, promotion.id, stage, record)
            promotions.verify(ledger, promotion.id)
            promotions.end(ledger, promotion.id, "released")
        return promotion

    return write


def begin_rollout(promotion: Promotion) -> None:
    """Let a rollback mean to change its environment, and its driver go."""
    with connect() as ledger:
        steps.begin(ledger, promotion.id, "roll_out", "Rollout")
        steps.intend(ledger, promotion.id, "roll_out", Rollout("api:4", "api:5"))
        promotions.leave(ledger, promotion.id, promotion.driver or "")


def test_a_wish_that_changed_nothing_yet_goes_on(release: Callable[[int], Promotion], service: Service) -> None:
    """Asked for twice, it is one rollback."""
    old, _ = release(3), release(4)

    first, second = (accept_rollback.fn(service.name, "staging", None) for _ in range(2))

    assert first.id == second.id
    assert first.rollback_to == old.id


def test_a_wish_that_was_interrupted_in_a_change_is_taken_back_first(
    release: Callable[[int], Promotion], service: Service
) -> None:
    """Part of it may be undone already: going on would take that for done."""
    release(3)
    release(4)
    begin_rollout(accept_rollback.fn(service.name, "staging", None))

    with pytest.raises(RejectedError, match="interrupted in roll_out: it is taken back first"):
        accept_rollback.fn(service.name, "staging", None)


def test_a_wish_that_was_verified_is_finished(
    release: Callable[[int], Promotion], service: Service, settings: Settings
) -> None:
    """Of several that wait, the one of that version."""
    oldest, old, _ = release(2), release(3), release(4)
    other = accept_rollback.fn(service.name, "staging", "v1.0.2-test")
    verified = accept_rollback.fn(service.name, "staging", "v1.0.3-test")
    begin_rollout(verified)
    with connect(settings) as ledger:
        promotions.verify(ledger, verified.id)

    resumed = accept_rollback.fn(service.name, "staging", "v1.0.3-test")

    assert (other.rollback_to, resumed.rollback_to) == (oldest.id, old.id)
    assert resumed.id == verified.id
