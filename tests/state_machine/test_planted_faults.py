"""The state machine proves itself: each mistake, planted into the product, breaks an invariant in it.

The seventh, a lease without fencing, is looked for in `test_waking_up_late.py`: chance finds it too rarely.
"""

from collections.abc import Sequence
from typing import Any

import pytest

from flows import promote, recover
from promoter import probe, recovery
from promoter.ecs import rollout_rules, rollouts
from promoter.ledger import leases, promotions
from promoter.records import HealthReport, Rollout
from tasks import stage
from tests.state_machine.conftest import Tell
from tests.state_machine.machine import Plant
from tests.state_machine.world import InvariantError


def schema_before_service(patch: pytest.MonkeyPatch) -> None:
    """Go back in the order of the way forward: the database first, then ECS."""
    patch.setattr(recover, "way_back", lambda steps: list(reversed(recovery.way_back(steps))))


def downgrade_while_new_tasks_run(patch: pytest.MonkeyPatch) -> None:
    """Take a service for back as soon as its deployment is, whatever is still to stop."""

    def hasty(state: Any, rollout: Any, *, leftovers: int, **rest: Any) -> Any:
        return rollout_rules.way_back(state, rollout, leftovers=0 * leftovers, **rest)

    patch.setattr(rollouts, "way_back", hasty)


def go_back_to_the_revision_before(patch: pytest.MonkeyPatch) -> None:
    """Go back to "revision - 1" instead of the recorded definition."""

    def guess(record: Any, *rest: Any) -> Any:
        if isinstance(record, Rollout):
            family, _, revision = record.after.rpartition(":")
            record = Rollout(f"{family}:{int(revision) - 1}", record.after, record.deployment)
        return stage.undo(record, *rest)

    patch.setattr(recover, "undo", guess)


def tag_before_verified(patch: pytest.MonkeyPatch) -> None:
    """Set the tag when the service is rolled out, before anybody has asked for its health."""
    flow: Any = promote
    verify = flow.verify

    def tag_first(promotion: Any, lease: Any, version: Any, rollout: Any) -> Any:
        image = stage.recorded(promotion, "publish_image")
        flow.tag_release(promotion, lease, version, image, HealthReport("", version.tag, 0, 0, 0))
        return verify(promotion, lease, version, rollout)

    patch.setattr(flow, "verify", tag_first)


def lease_without_fencing(patch: pytest.MonkeyPatch) -> None:
    """Take the lease and never look at it again."""

    def trust(*_: object) -> None:
        """Believe that the lease still holds."""

    patch.setattr(leases, "renew", trust)


def judge_by_services_stable(patch: pytest.MonkeyPatch) -> None:
    """Take a stable service for a successful release, as `aws ecs wait services-stable` does."""

    def stable(state: Any, _rollout: object) -> str:
        return "completed" if state.primary.rollout_state == "COMPLETED" else "in progress"

    def healthy(url: str, tag: str | None, *_: object, **__: object) -> HealthReport:
        return HealthReport(url, tag or "", 1, 1, 0)

    patch.setattr(rollouts, "standing", stable)
    patch.setattr(probe, "wait_until_healthy", healthy)


def hook_as_the_only_guarantee(patch: pytest.MonkeyPatch) -> None:
    """Recover in the hooks alone."""

    def nothing() -> Sequence[promotions.Promotion]:
        return []

    patch.setattr(recover, "recover_all", nothing)


@pytest.mark.parametrize(
    ("plant", "invariant"),
    [
        pytest.param(schema_before_service, "I[14]", id="database first, then ECS"),
        pytest.param(downgrade_while_new_tasks_run, "I[14]", id="downgrade while new tasks run"),
        pytest.param(go_back_to_the_revision_before, "I[1-6]", id="rollback to revision - 1"),
        pytest.param(tag_before_verified, "I2", id="tag before VERIFIED"),
        pytest.param(judge_by_services_stable, "I[1-6]", id="success judged by services_stable"),
        pytest.param(hook_as_the_only_guarantee, "I1", id="hook as the only guarantee"),
    ],
)
def test_a_planted_mistake_is_found(tell: Tell, plant: Plant, invariant: str) -> None:
    """It takes a few stories; where the first five hundred miss it, others do not."""
    with pytest.raises(InvariantError, match=rf"^{invariant}"):  # noqa: PT012 - whichever seed finds it first
        for seed in range(4):
            tell(stories=500, seed=seed, plant=plant)
