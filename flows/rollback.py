"""What a person's wish for an older release does: a promotion of its own, whose image exists already."""

from flows.parameters import Asker, EnvironmentName, ReleasedVersion, ServiceName, WithDowngrade
from flows.promote import promoting
from promoter.records import Release
from tasks.acceptance import take_environment
from tasks.health import verify
from tasks.migration import downgrade
from tasks.preflight import check_environment
from tasks.release import move_latest
from tasks.report import close, name_run
from tasks.rollback import accept_rollback, plan_rollback, register_again
from tasks.rollout import roll_out


@promoting
def rollback(
    service: ServiceName,
    environment: EnvironmentName,
    to: ReleasedVersion = None,
    *,
    with_downgrade: WithDowngrade = False,
    by: Asker = None,
) -> Release:
    """Bring an environment back to a version that was once verified in it, or leave it as it is.

    `to` is a version such as `v1.0.3-test` (the one before the one that runs); `with_downgrade` takes the schema back too; `by` is who asks.
    """
    promotion = accept_rollback(service, environment, to, by)
    lease = take_environment(promotion)
    plan = plan_rollback(promotion, lease, with_downgrade)
    name_run(promotion)
    check_environment(promotion, plan.version)
    definition = register_again(promotion, lease, plan)
    rollout = roll_out(promotion, lease, definition)
    if plan.downgrade is not None:
        downgrade(promotion, lease, plan, rollout)
    verify(promotion, lease, plan.version, rollout)
    release = Release(plan.version.tag, plan.version.commit, plan.image.digest)
    if "latest" in promotion.rule.stages:
        release = move_latest(promotion, lease, plan.image, release)
    return close(promotion, release)
