"""GitHub is brought up to what the ledger says: once, in order, and later where it was down. Ledger and GitHub are real."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import pytest

from deployments.sandbox.github import Fault
from promoter.config import Service
from promoter.errors import BusyError, GitHubError, SchemaError
from promoter.github import Credentials, Deployment, Notice
from promoter.github.client import Client
from promoter.ledger import changes, promotions, steps, told
from promoter.ledger.changes import Asked
from promoter.ledger.connection import connect
from promoter.ledger.promotions import Outcome, Promotion
from promoter.records import Image, Push, Release, Rollout, TestReport, Version
from promoter.settings import Settings
from tasks import teller
from tasks.stage import carry_out
from tasks.telling import Subject, tell
from tests.github import PATIENTLY, PLACE, REPOSITORY, TOKEN, GitHub, serving
from tests.tasks.conftest import write

OVERALL = "promoter/api/staging"


@pytest.fixture
def github(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[GitHub]:
    """Return a GitHub where this installation is known."""
    assert settings.github_token is None
    with serving(tmp_path / "github") as found:
        monkeypatch.setenv("PROMOTER_GITHUB_TOKEN", TOKEN)
        monkeypatch.setenv("PROMOTER_GITHUB_API", found.url)
        yield found


@pytest.fixture
def promote(settings: Settings, make_service: Callable[..., Service]) -> Callable[[int], Promotion]:
    """Return a way to have a commit, named by one digit, promoted to staging as far as its image."""

    def make(digit: int) -> Promotion:
        commit, tag = f"{digit}" * 40, f"v1.0.{digit}-test"
        push = Push(repository="https://git.example/api.git", branch="test", commit=commit, base="v1.0.2")
        with connect(settings) as ledger:
            accepted = promotions.accept(ledger, make_service(github=PLACE), push, force=True)
        do(accepted, "compute_version", Version(tag, tag[1:], "v1.0.2", commit, "test", "because"))
        do(accepted, "publish_image", Image("registry.example/api", tag, f"sha256:{digit:064x}", ("linux/amd64",)))
        return accepted

    return make


def do(promotion: Promotion, stage: str, record: object, *, done: bool = True) -> None:
    """Record that a stage began, and unless `done` is false that it is done."""
    with connect() as ledger:
        steps.begin(ledger, promotion.id, stage, type(record).__name__)
        if isinstance(record, Rollout):
            steps.intend(ledger, promotion.id, stage, record)
        if done:
            steps.finish(ledger, promotion.id, stage, record)


def end(promotion: Promotion, outcome: Outcome) -> None:
    """Bring a promotion to its end, verified first where it is released."""
    do(promotion, "roll_out", Rollout("tsk:1", "tsk:2"))
    with connect() as ledger:
        if outcome == "released":
            promotions.verify(ledger, promotion.id)
        promotions.end(ledger, promotion.id, outcome, None if outcome == "released" else "503 for 300 s")


def say(promotion: Promotion) -> None:
    """Tell of a promotion, without pauses."""
    tell(Subject("promotion", promotion.id), Settings(), client)


def client(repository: str, known: Credentials) -> Client:
    """Return a client that does not wait between two requests."""
    return Client(repository, known, **PATIENTLY)


def unshown() -> list[UUID]:
    """Return the promotions whose end GitHub may not show."""
    with connect() as ledger:
        return [one.id for one in promotions.unshown(ledger, longest=3600)]


def test_what_is_told_is_told_once(github: GitHub, promote: Callable[[int], Promotion]) -> None:
    """A second time nothing is sent; each change of the ledger sends what changed."""
    promotion = promote(3)
    say(promotion)
    first = github.shown()
    say(promotion)
    again = github.shown()
    end(promotion, "released")
    do(promotion, "tag_release", Release("v1.0.3-test", "3" * 40, "sha256:12"))
    say(promotion)
    last = github.shown()

    assert first.status("3" * 40) == {
        OVERALL: "pending",
        f"{OVERALL}/compute_version": "success",
        f"{OVERALL}/publish_image": "success",
    }
    assert first.environment("staging") == [("3" * 40, "queued")]
    assert again == first
    assert last.status("3" * 40)[OVERALL] == "success"
    assert last.environment("staging") == [("3" * 40, "success")]
    assert [one["tag_name"] for one in last.releases] == ["v1.0.3-test"]
    assert unshown() == []
    say(promotion)
    assert github.shown() == last


def test_a_github_that_was_down_is_told_later(github: GitHub, promote: Callable[[int], Promotion]) -> None:
    """Only how things are then: what it has missed meanwhile is nobody's business any more."""
    promotion = promote(3)
    with github.down(), pytest.raises(GitHubError, match="does not answer"):
        say(promotion)
    end(promotion, "released")

    assert unshown() == [promotion.id]
    say(promotion)

    assert [one["state"] for one in github.shown().deployment_statuses] == ["success"]
    assert unshown() == []


def test_a_lost_answer_makes_no_second_deployment(github: GitHub, promote: Callable[[int], Promotion]) -> None:
    """The ledger knows that it was about to be made."""
    promotion = promote(3)
    with github.failing(Fault.LOST), pytest.raises(GitHubError):
        say(promotion)

    say(promotion)

    assert github.shown().environment("staging") == [("3" * 40, "queued")]


def test_two_who_tell_at_once_make_one_deployment(github: GitHub, promote: Callable[[int], Promotion]) -> None:
    """One waits for the other, and finds nothing left."""
    promotion = promote(3)

    with ThreadPoolExecutor(4) as pool:
        for each in [pool.submit(say, promotion) for _ in range(4)]:
            each.result()

    shown = github.shown()
    assert shown.environment("staging") == [("3" * 40, "queued")]
    assert (len(shown.statuses), len(shown.deployment_statuses)) == (3, 1)


def test_a_release_that_is_taken_back_leaves_the_older_one_active(
    github: GitHub, promote: Callable[[int], Promotion]
) -> None:
    """The environment's page tells what runs."""
    old, new = promote(3), promote(4)
    end(old, "released")
    say(old)
    do(new, "roll_out", Rollout("tsk:2", "tsk:3"), done=False)
    say(new)
    during = github.shown().environment("staging")

    end(new, "rolled_back")
    say(new)

    assert during == [("3" * 40, "success"), ("4" * 40, "in_progress")]
    assert github.shown().environment("staging") == [("3" * 40, "success"), ("4" * 40, "failure")]


def test_of_two_releases_one_is_active(github: GitHub, promote: Callable[[int], Promotion]) -> None:
    """The older becomes inactive after the newer is a success, and not before."""
    old, new = promote(3), promote(4)
    for one in (old, new):
        end(one, "released")
        say(one)

    assert github.shown().environment("staging") == [("3" * 40, "inactive"), ("4" * 40, "success")]
    assert [one["state"] for one in github.shown().deployment_statuses] == ["success", "success", "inactive"]


def test_the_status_of_a_later_promotion_of_a_commit_stays(github: GitHub, promote: Callable[[int], Promotion]) -> None:
    """Whoever tells late of the earlier one does not write over it."""
    first = promote(3)
    end(first, "rolled_back")
    second = promote(3)
    end(second, "released")

    say(second)
    say(first)

    assert github.shown().status("3" * 40)[OVERALL] == "success"
    assert sorted(github.shown().environment("staging")) == [("3" * 40, "failure"), ("3" * 40, "success")]


def test_a_github_that_is_busy_is_left_alone(github: GitHub, promote: Callable[[int], Promotion]) -> None:
    """By everybody, until it said that it may be asked again."""
    promotion = promote(3)
    with github.failing(Fault.BUSY), pytest.raises(BusyError):
        say(promotion)

    say(promotion)
    during = github.shown().requests
    with connect() as ledger:
        told.rest(ledger, REPOSITORY, 0, "it is over")
    say(promotion)

    assert during == []
    assert github.shown().environment("staging") == [("3" * 40, "queued")]


def test_what_github_refuses_keeps_nothing_else_waiting(github: GitHub, promote: Callable[[int], Promotion]) -> None:
    """It is tried again after a while, for somebody may give the token what it lacks; and the end is not taken for shown."""
    promotion = promote(3)
    end(promotion, "released")

    class Crooked(Client):
        """Tells of Deployments in a way that GitHub does not know."""

        def show(self, notice: Notice, number: int | None, *, again: bool) -> int | None:
            if isinstance(notice, Deployment):
                notice = replace(notice, state=cast("Any", "sideways"))
            return super().show(notice, number, again=again)

    with pytest.raises(GitHubError, match="422"):
        tell(Subject("promotion", promotion.id), Settings(), partial(Crooked, **PATIENTLY))

    first = github.shown()
    say(promotion)

    assert first.status("3" * 40)[OVERALL] == "success"
    assert github.shown() == first
    assert unshown() == [promotion.id]


def test_without_credentials_or_without_github_nothing_is_told(
    github: GitHub,
    promote: Callable[[int], Promotion],
    make_service: Callable[..., Service],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nobody is even reached."""
    promotion = promote(3)
    with connect() as ledger:
        push = replace(promotion.push, commit="5" * 40)
        elsewhere = promotions.accept(ledger, make_service(), push)
    say(elsewhere)
    monkeypatch.delenv("PROMOTER_GITHUB_TOKEN")
    say(promotion)

    assert github.shown().requests == []


def test_the_comment_on_a_pull_request_is_kept_up_to_date(
    github: GitHub, settings: Settings, make_service: Callable[..., Service]
) -> None:
    """One for all its heads; what an older head is found to be late does not stand over the newer one's. Nobody is called by it."""
    write(make_service(github=PLACE), settings)
    first, second = (ask(commit) for commit in ("1" * 40, "2" * 40))
    with connect() as ledger:
        changes.begin(ledger, first.id, None)
    say_check(first)
    begun = github.shown()
    with connect() as ledger:
        changes.end(ledger, second.id, "failure", "check pull/7 2222222", "# for @ann")
    say_check(second)
    with connect() as ledger:
        changes.end(ledger, first.id, "success", "check pull/7 1111111", "# late")
    say_check(first)

    assert begun.comments[0]["body"] == "<!-- promoter: api -->\n# check pull/7 1111111: under way\n"
    assert [one["body"] for one in github.shown().comments] == ["<!-- promoter: api -->\n# for @\u200bann"]
    assert github.shown().status("1" * 40) == {"promoter/api/check": "success"}
    assert github.shown().status("2" * 40) == {"promoter/api/check": "failure"}


def test_every_stage_pokes_the_teller(github: GitHub, promote: Callable[[int], Promotion]) -> None:
    """At its beginning, at its end and where it fails; the process gives it a while before it ends."""
    promotion = promote(3)

    def run_checks(_promotion: Promotion) -> TestReport:
        return TestReport(1, 0, 0, 1.0)

    def rehearse(_promotion: Promotion) -> TestReport:
        raise SchemaError("two heads")

    carry_out(run_checks, promotion, [])
    with pytest.raises(SchemaError):
        carry_out(rehearse, promotion, [])
    while not teller.TELLER.drain(60):
        pass

    shown = github.shown().status("3" * 40)
    assert (shown[f"{OVERALL}/run_checks"], shown[f"{OVERALL}/rehearse"]) == ("success", "failure")


def ask(commit: str) -> Asked:
    """Note a head of pull request 7."""
    with connect() as ledger:
        return changes.note(ledger, service="api", repository="r", number=7, commit=commit, target="dev")[0]


def say_check(asked: Asked) -> None:
    """Tell of a check, without pauses."""
    tell(Subject("check", asked.id), Settings(), client)
