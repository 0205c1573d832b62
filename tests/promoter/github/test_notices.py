"""What GitHub ought to show of a promotion, said from its ledger alone."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from promoter.config import Service
from promoter.github import Deployment, Notice, Release, Status, fingerprint, of_promotion
from promoter.github.notices import LONGEST
from promoter.ledger.promotions import Promotion
from promoter.ledger.steps import Step
from promoter.records import Image, Push, Rollout, TestReport, Version
from promoter.records import Release as Released
from tests.github import PLACE

NOW = datetime(2026, 1, 1, tzinfo=UTC)
COMMIT = "a" * 40
VERSION = Version("v1.0.3-test", "1.0.3-test", "v1.0.2", COMMIT, "test", "because")
IMAGE = Image("registry.example/api", "v1.0.3-test", "sha256:" + "12" * 32, ("linux/amd64",))
MOVED = Rollout("tsk:1", "tsk:2")


@pytest.fixture
def promotion(make_service: Callable[..., Service]) -> Promotion:
    """Return a promotion to staging that is under way."""
    push = Push("https://git.example/api.git", "test", COMMIT, "v1.0.2")
    service = make_service(github=PLACE)
    return Promotion(UUID(int=1), push, service, None, None, NOW, None, None, None, None)


def step(stage: str, result: object = None, **changes: Any) -> Step:
    """Return a step; without a result it is under way."""
    found = Step(stage, type(result).__name__, None, result, None, NOW, None if result is None else NOW, None)
    return replace(found, **changes)


NUMBERED = step("compute_version", VERSION)
BUILT = step("publish_image", IMAGE)
MOVING = step("roll_out", intent=MOVED, record_type="Rollout")


def statuses(notices: list[Notice]) -> dict[str, tuple[str, str]]:
    """Return state and words of each stage, by its name; "" is the promotion's own."""
    found = [one for one in notices if isinstance(one, Status)]
    return {one.context.removeprefix("promoter/api/staging").strip("/"): (one.state, one.description) for one in found}


def deployment(promotion: Promotion, *steps: Step, is_current: bool = True) -> str | None:
    """Return the state of the promotion's Deployment, None where it has none."""
    notices = of_promotion(promotion, steps, is_current=is_current)
    return next((one.state for one in notices if isinstance(one, Deployment)), None)


def test_every_stage_is_a_status_and_the_promotion_is_one(promotion: Promotion) -> None:
    """Each with one line on what it found."""
    failed = step("run_checks", error="1 of 11 tests fail\nand more", record_type="TestReport")

    told = statuses(of_promotion(promotion, [NUMBERED, failed, step("rehearse")], is_current=False))

    assert told == {
        "": ("pending", "v1.0.3-test → staging: under way"),
        "compute_version": ("success", "v1.0.3-test: because"),
        "run_checks": ("failure", "1 of 11 tests fail"),
        "rehearse": ("pending", "under way"),
    }


def test_what_was_taken_back_or_cut_off_is_no_success(promotion: Promotion) -> None:
    """Its record alone would say so."""
    ended = replace(promotion, ended_at=NOW, outcome="rolled_back", cause="503 for 300 s")
    back = step("roll_out", MOVED, undone="undone")

    told = statuses(of_promotion(ended, [NUMBERED, back, step("verify")], is_current=False))

    assert told[""] == ("failure", "v1.0.3-test → staging: rolled back: 503 for 300 s")
    assert told["roll_out"] == ("failure", "taken back: tsk:1 → tsk:2")
    assert told["verify"] == ("error", "cut off")


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        ("released", "success"),
        ("rolled_back", "failure"),
        ("schema_kept", "failure"),
        ("rejected", "failure"),
        ("superseded", "error"),
        ("frozen", "error"),
    ],
)
def test_every_outcome_has_a_state(promotion: Promotion, outcome: Any, state: str) -> None:
    """GitHub knows four."""
    ended = replace(promotion, ended_at=NOW, outcome=outcome)

    assert statuses(of_promotion(ended, [], is_current=False))[""][0] == state


@pytest.mark.parametrize(
    ("steps", "changes", "state"),
    [
        pytest.param([NUMBERED, step("run_checks")], {}, None, id="is tested"),
        pytest.param([NUMBERED], {"outcome": "rejected"}, None, id="failed its tests"),
        pytest.param([BUILT], {}, "queued", id="waits"),
        pytest.param([BUILT], {"outcome": "superseded"}, "inactive", id="another went first"),
        pytest.param([BUILT], {"outcome": "rejected"}, "failure", id="a person refused it"),
        pytest.param([BUILT, MOVING], {}, "in_progress", id="changes the environment"),
        pytest.param([BUILT, MOVING], {"outcome": "rolled_back"}, "failure", id="was taken back"),
        pytest.param([BUILT, MOVING], {"outcome": "schema_kept"}, "failure", id="was taken back but for the schema"),
        pytest.param([BUILT, MOVING], {"outcome": "frozen"}, "error", id="needs a person"),
        pytest.param([BUILT, MOVING], {"verified_at": NOW}, "success", id="is verified"),
        pytest.param([BUILT, MOVING], {"verified_at": NOW, "outcome": "released"}, "success", id="is released"),
    ],
)
def test_a_deployment_is_there_from_the_moment_it_is_wanted(
    promotion: Promotion, steps: list[Step], changes: dict[str, Any], state: str | None
) -> None:
    """What failed before was no Deployment; only what is verified succeeds."""
    assert deployment(replace(promotion, **changes), *steps) == state


def test_a_release_is_inactive_once_another_runs(promotion: Promotion) -> None:
    """We say so ourselves: GitHub does it for production never, and for nothing that followed while it was down."""
    assert deployment(replace(promotion, verified_at=NOW), BUILT, MOVING, is_current=False) == "inactive"


def test_a_deployment_says_where_it_answers(promotion: Promotion) -> None:
    """The origin of its health URL; the link is the run's."""
    notices = of_promotion(promotion, [BUILT], is_current=False, link="https://prefect.example/1")

    (found,) = [one for one in notices if isinstance(one, Deployment)]
    assert (found.url, found.link, found.production) == (
        "https://staging.example/",
        "https://prefect.example/1",
        False,
    )


def test_a_tag_that_is_pushed_has_a_release(promotion: Promotion) -> None:
    """Not before: GitHub would make the tag."""
    tag = Released("v1.0.3-test", COMMIT, "sha256:12")
    begun, done = (step("tag_release", intent=tag, record_type="Release"), step("tag_release", tag))

    found = [of_promotion(promotion, [one], is_current=False) for one in (begun, done)]

    assert [[one for one in notices if isinstance(one, Release)] for notices in found] == [
        [],
        [Release("v1.0.3-test", COMMIT, is_clean=False)],
    ]


def test_text_of_others_is_one_short_line(promotion: Promotion) -> None:
    """GitHub takes 140 characters."""
    failed = step("run_checks", error="\x1b[31m" + "long " * 200 + "\nsecond line", record_type="TestReport")
    ended = replace(promotion, outcome="rejected", cause="why\n" * 200)

    told = statuses(of_promotion(ended, [failed], is_current=False))

    assert [len(words) for _, words in told.values()] == [LONGEST, LONGEST]
    assert not any("\n" in words or "\x1b" in words for _, words in told.values())


def test_a_fingerprint_is_of_what_is_said(promotion: Promotion) -> None:
    """Not of the run's address, which not every process knows."""
    passed = step("run_checks", TestReport(1, 0, 0, 1.0))
    one, other = (
        of_promotion(promotion, [passed], is_current=False, link=link) for link in (None, "https://p.example")
    )
    later = of_promotion(promotion, [replace(passed, undone="kept")], is_current=False)

    assert [fingerprint(notice) for notice in one] == [fingerprint(notice) for notice in other]
    assert fingerprint(one[-1]) != fingerprint(later[-1])
