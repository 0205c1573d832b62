"""What a push to each branch does, one sentence a branch; every word is a retryable stage.

`by` is who asks, for the history. `force` promotes also a commit that was taken back before, or is older than what runs.
"""

from prefect import flow
from prefect.futures import PrefectFuture

from flows.hooks import on_cancellation, on_crashed, on_failure
from flows.parameters import Asker, Branch, Commit, Force, ServiceName
from promoter.ledger.leases import Lease
from promoter.ledger.promotions import Promotion
from promoter.records import HealthReport, Image, Rehearsal, Release, TestReport, Version
from tasks.acceptance import accept, take_environment
from tasks.approval import approve
from tasks.checks import rehearse, run_checks
from tasks.health import verify
from tasks.image import build_image, publish_image
from tasks.migration import migrate
from tasks.preflight import check_environment
from tasks.release import move_latest, tag_release
from tasks.report import close, name_run
from tasks.rollout import register, roll_out
from tasks.schema import plan_schema, review_schema
from tasks.version import compute_version

promoting = flow(on_failure=[on_failure], on_crashed=[on_crashed], on_cancellation=[on_cancellation])
"""A flow that brings its promotion to an end also when it fails, crashes or is cancelled."""


@promoting
def promote_dev(
    service: ServiceName, branch: Branch = "dev", commit: Commit = None, *, by: Asker = None, force: Force = False
) -> TestReport:
    """Version and test a commit; nothing is built, nothing is changed."""
    promotion = accept(service, branch, commit, by=by, force=force)
    version = compute_version(promotion)
    name_run(promotion)
    report = run_checks(promotion, version)
    return close(promotion, report)


@promoting
def promote_cicd(
    service: ServiceName, branch: Branch, commit: Commit = None, *, by: Asker = None, force: Force = False
) -> Image:
    """Version, test, build and push a commit; no environment is changed."""
    promotion = accept(service, branch, commit, by=by, force=force)
    version = compute_version(promotion)
    name_run(promotion)
    image = _test_and_build(promotion, version)
    return close(promotion, image)


@promoting
def promote_test(
    service: ServiceName, branch: Branch = "test", commit: Commit = None, *, by: Asker = None, force: Force = False
) -> Release:
    """Bring a commit into its environment, verified and tagged, or bring the environment back."""
    promotion = accept(service, branch, commit, by=by, force=force)
    version = compute_version(promotion)
    name_run(promotion)
    check_environment(promotion, version)
    rehearsal = rehearse.submit(promotion, version)
    image = _test_and_build(promotion, version, rehearsal)
    if promotion.environment.approval:
        approve(promotion, version, image)
    lease = take_environment(promotion)
    health = _deploy(promotion, lease, version, image, rehearsal.result())
    release = tag_release(promotion, lease, version, image, health)
    return close(promotion, release)


@promoting
def promote_main(
    service: ServiceName, branch: Branch = "main", commit: Commit = None, *, by: Asker = None, force: Force = False
) -> Release:
    """Bring a commit into its environment like `promote_test`, and let `:latest` name it once it is verified."""
    promotion = accept(service, branch, commit, by=by, force=force)
    version = compute_version(promotion)
    name_run(promotion)
    check_environment(promotion, version)
    rehearsal = rehearse.submit(promotion, version)
    image = _test_and_build(promotion, version, rehearsal)
    if promotion.environment.approval:
        approve(promotion, version, image)
    lease = take_environment(promotion)
    health = _deploy(promotion, lease, version, image, rehearsal.result())
    release = tag_release(promotion, lease, version, image, health)
    release = move_latest(promotion, lease, image, release)
    return close(promotion, release)


def _test_and_build(promotion: Promotion, version: Version, rehearsal: PrefectFuture[Rehearsal] | None = None) -> Image:
    """Build while the tests run; push when both are good, and what happens to the schema may happen."""
    checks = run_checks.submit(promotion, version)
    built = build_image.submit(promotion, version)
    if rehearsal is not None:
        plan = plan_schema(promotion, rehearsal.result())
        review_schema(promotion, plan, rehearsal.result())
    return publish_image(promotion, version, checks.result(), built.result())


def _deploy(promotion: Promotion, lease: Lease, version: Version, image: Image, rehearsal: Rehearsal) -> HealthReport:
    """Change the schema first, then the service, and prove it."""
    change = migrate(promotion, lease, image, rehearsal)
    definition = register(promotion, lease, image, change)
    rollout = roll_out(promotion, lease, definition)
    return verify(promotion, lease, version, rollout)
