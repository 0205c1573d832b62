"""Who may go on where several promotions want one environment, on a real ledger and a real history."""

from dataclasses import replace
from threading import Thread
from typing import Any

import pytest

from promoter import remotes
from promoter.config import Service
from promoter.errors import LeaseError, RejectedError, SupersededError
from promoter.ledger import leases, promotions
from promoter.ledger.connection import connect
from promoter.ledger.promotions import Outcome, Promotion
from promoter.records import Push
from promoter.settings import Settings
from tasks import precedence
from tasks.acceptance import accept, take_environment

pytestmark = pytest.mark.usefixtures("service")


@pytest.fixture
def commits(head: str, repository: Any) -> list[str]:
    """Return three commits of `test`, each on top of the one before; the first was released long ago."""
    repository.switch("test")
    return [head, repository.commit("feat: second"), repository.commit("feat: third")]


def promote(commit: str, *, force: bool = False) -> Promotion:
    """Accept a commit of `test`; tests drive it without a flow run."""
    return accept.fn("api", "test", commit, force=force)


def end(promotion: Promotion, outcome: Outcome, cause: str | None = None) -> Promotion:
    """End a promotion, verified where that needs it."""
    with connect() as ledger:
        if outcome == "released":
            promotions.verify(ledger, promotion.id)
        promotions.end(ledger, promotion.id, outcome, cause)
        return promotions.get(ledger, promotion.id)


def now(promotion: Promotion) -> Promotion:
    """Return a promotion as it is now."""
    with connect() as ledger:
        return promotions.get(ledger, promotion.id)


def newest() -> Promotion:
    """Return the promotion that was accepted last."""
    with connect() as ledger:
        row = ledger.execute("SELECT id FROM promotions ORDER BY accepted_at DESC LIMIT 1").fetchone()
        assert row is not None
        return promotions.get(ledger, row["id"])


@pytest.mark.parametrize("outcome", ["rolled_back", "schema_kept"])
def test_a_commit_that_was_taken_back_is_not_promoted_again_by_itself(commits: list[str], outcome: Outcome) -> None:
    """The error names the earlier promotion, its cause, and what to do; the try ends as rejected."""
    earlier = end(promote(commits[1]), outcome, "exit code 3\nthe log")

    with pytest.raises(RejectedError, match=rf"{commits[1][:12]} is held: .* {earlier.id} .* exit code 3\n→ .*--force"):
        promote(commits[1])

    again = newest()
    assert (again.outcome, again.id != earlier.id) == ("rejected", True)
    assert "is held" in (again.cause or "")


def test_a_person_may_promote_it_again(commits: list[str]) -> None:
    """The commit may not be to blame."""
    end(promote(commits[1]), "rolled_back")

    assert promote(commits[1], force=True).ended_at is None


def test_a_newer_commit_is_promoted_at_once(commits: list[str]) -> None:
    """It may be what mends it."""
    end(promote(commits[1]), "rolled_back")

    assert promote(commits[2]).ended_at is None


def test_what_was_only_rejected_may_be_tried_again(commits: list[str]) -> None:
    """A test that fails now and then holds nothing."""
    end(promote(commits[1]), "rejected", "1 of 11 tests fail")

    assert promote(commits[1]).ended_at is None


def test_an_older_commit_than_what_runs_ends_before_its_tests(commits: list[str]) -> None:
    """It never replaces the newer one by itself."""
    end(promote(commits[2]), "released")

    with pytest.raises(SupersededError, match=f"{commits[2][:12]} on test is newer, and runs there"):
        promote(commits[1])

    assert newest().outcome == "superseded"


def test_an_older_commit_than_one_that_waits_ends_before_its_tests(commits: list[str]) -> None:
    """Also where its delivery comes late."""
    waiting = promote(commits[2])

    with pytest.raises(SupersededError, match="is newer, and is on its way there"):
        promote(commits[1])

    assert now(waiting).outcome is None


def test_a_person_may_put_an_older_commit_in_the_place_of_a_newer_one(commits: list[str]) -> None:
    """It takes the environment, too."""
    end(promote(commits[2]), "released")

    forced = promote(commits[1], force=True)

    assert take_environment.fn(forced).promotion == forced.id


def test_a_push_after_a_forced_one_takes_its_place(commits: list[str]) -> None:
    """What a person forced is older than what comes after it, if it is not."""
    end(promote(commits[1]), "released")
    forced = promote(commits[0], force=True)

    promote(commits[2])

    assert now(forced).outcome == "superseded"


def test_only_the_newest_of_those_that_wait_stays(commits: list[str]) -> None:
    """The others give way as soon as it is accepted; one that holds the environment goes on to its end."""
    holder = promote(commits[0])
    take_environment.fn(holder)
    second, third = promote(commits[1]), promote(commits[2])

    assert [now(one).outcome for one in (holder, second, third)] == [None, "superseded", None]
    assert now(second).cause == f"commit {commits[2][:12]} on test is newer, and is on its way there"


def test_a_promotion_that_gave_way_takes_no_environment(commits: list[str]) -> None:
    """Its flow notices at the next stage."""
    first = promote(commits[1])
    promote(commits[2])

    with pytest.raises(LeaseError, match=r"has ended \(superseded: commit .* is newer"):
        take_environment.fn(first)


def test_a_promotion_that_a_newer_one_waits_behind_gives_the_environment_back(commits: list[str]) -> None:
    """Where the newer one came in the moment in which the older one took it."""
    first = promote(commits[1])
    with connect() as ledger:
        leases.take(ledger, first, driver="", seconds=30)
    promote(commits[2])

    with pytest.raises(SupersededError):
        take_environment.fn(first)

    assert now(first).outcome == "superseded"


def test_what_was_verified_is_not_superseded(commits: list[str]) -> None:
    """After the commit point everything leads forward, also where a newer one waits."""
    first = promote(commits[1])
    take_environment.fn(first)
    with connect() as ledger:
        promotions.verify(ledger, first.id)
    promote(commits[2])

    resumed = promote(commits[1])

    assert take_environment.fn(resumed).promotion == first.id
    assert now(first).outcome is None


def test_a_rollback_gives_way_to_no_push_and_takes_the_place_of_those_before_it(
    commits: list[str], service: Service
) -> None:
    """A person wishes it, knowing what is on its way; a push that comes after it goes on behind it."""
    target, waiting = end(promote(commits[0]), "released"), promote(commits[1])
    with connect() as ledger:
        rollback = promotions.roll_back(ledger, service, target.id)
    later = promote(commits[2])

    assert take_environment.fn(rollback).promotion == rollback.id
    end(rollback, "released")
    assert now(waiting).outcome == "superseded"
    assert take_environment.fn(later).promotion == later.id


def test_a_push_before_a_rollback_does_not_undo_it(commits: list[str], service: Service) -> None:
    """It was on its way when a person wished the older release; pushed again, it is promoted."""
    target, waiting = end(promote(commits[0]), "released"), promote(commits[1])
    with connect() as ledger:
        rollback = promotions.roll_back(ledger, service, target.id)
    end(rollback, "released")

    with pytest.raises(SupersededError, match="is brought back, and runs there"):
        take_environment.fn(waiting)

    assert promote(commits[1]).ended_at is None


def test_of_two_histories_that_went_apart_the_later_push_wins(commits: list[str], repository: Any) -> None:
    """Nobody is the ancestor: after a force-push the branch is what was pushed last."""
    end(promote(commits[1]), "released")
    waiting = promote(commits[2])
    repository.git("reset", "--quiet", "--hard", commits[0])
    other = promote(repository.commit("feat: another second"))

    assert (now(waiting).outcome, now(other).outcome) == ("superseded", None)
    assert take_environment.fn(other).promotion == other.id


def test_what_the_remote_has_no_more_stands_in_nobodys_way(
    commits: list[str], service: Service, repository: Any, settings: Settings
) -> None:
    """A worker with a fresh mirror cannot know a commit that was taken off its branch; the later push wins."""
    with connect(settings) as ledger:
        gone = replace(promote(commits[2]).push, commit="d" * 40)
        promotions.accept(ledger, service, gone)
    repository.git("reset", "--quiet", "--hard", commits[1])

    assert promote(commits[1], force=True).ended_at is None


def test_a_mirror_that_knows_less_than_the_ledger_is_brought_up_to_date(
    head: str, service: Service, repository: Any, settings: Settings
) -> None:
    """Another worker may have seen the newer commit, and accepted it, first."""
    remotes.mirror(service.repository, settings.cache)
    push = Push(repository=service.repository, branch="test", commit=head, base="v1.0.2")
    repository.switch("test")
    with connect(settings) as ledger:
        newer = promotions.accept(ledger, service, replace(push, commit=repository.commit("feat: second")))
        older = promotions.accept(ledger, service, push)

    assert precedence.goes_before(newer, older)
    assert not precedence.goes_before(older, newer)


def test_a_frozen_environment_takes_no_push(commits: list[str]) -> None:
    """It is told at once, before any test runs."""
    with connect() as ledger:
        leases.freeze(ledger, "api", "staging", reason="fire drill", by="ann")

    with pytest.raises(LeaseError, match=r"by ann: fire drill\n→ .*promoter unfreeze staging --service api"):
        promote(commits[1], force=True)

    assert newest().outcome == "rejected"


def test_a_promotion_that_waits_for_an_environment_that_is_frozen_meanwhile_is_told(commits: list[str]) -> None:
    """Nobody waits for ever, also not while the one before is still there."""
    holder = promote(commits[0])
    take_environment.fn(holder)
    waiting = promote(commits[1])
    waiter = Waiter(waiting)
    with connect() as ledger:
        leases.freeze(ledger, "api", "staging", reason="fire drill", by="ann")

    assert "by ann: fire drill" in str(waiter.error())
    assert now(holder).outcome is None


class Waiter(Thread):
    """Waits for an environment in the background."""

    def __init__(self, promotion: Promotion) -> None:
        super().__init__(daemon=True)
        self._promotion = promotion
        self._error: LeaseError | None = None
        self.start()

    def run(self) -> None:
        """Wait, and keep the error."""
        try:
            take_environment.fn(self._promotion)
        except LeaseError as error:
            self._error = error

    def error(self) -> LeaseError | None:
        """Return the error that ended the waiting."""
        self.join(timeout=30)
        return self._error
