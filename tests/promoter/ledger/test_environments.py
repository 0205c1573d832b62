"""What the ledger tells of an environment: its past, and how it stands now."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from promoter.config import Service
from promoter.ledger import environments, history, leases, promotions, reservations
from promoter.ledger.connection import connect
from promoter.ledger.environments import Standing
from promoter.ledger.promotions import Outcome, Promotion
from promoter.records import Push, Version
from promoter.settings import Settings

DIGEST = "sha256:" + "1" * 64
PUSH = Push(repository="https://git.example/api.git", branch="test", commit="0" * 40, base="v1.0.2")


@pytest.fixture
def accept(settings: Settings, make_service: Callable[..., Service]) -> Callable[..., Promotion]:
    """Return a way to accept a commit, named by one digit, with its number and digest."""

    def make(digit: int, branch: str = "test", by: str = "ann") -> Promotion:
        push, tag = replace(PUSH, branch=branch, commit=f"{digit}" * 40), f"v0.0.{digit}-{branch}"
        version = Version(tag, tag[1:], "v0.0.0", push.commit, branch, "because")
        with connect(settings) as ledger:
            reservations.reserve(ledger, "api", branch, push.commit, lambda _: version)
            reservations.pin(ledger, "api", tag, DIGEST)
            return promotions.accept(ledger, make_service(), push, by=by)

    return make


def end(promotion: Promotion, outcome: Outcome, cause: str | None = None) -> None:
    """End a promotion, verified where that needs it."""
    with connect() as ledger:
        if outcome == "released":
            promotions.verify(ledger, promotion.id)
        promotions.end(ledger, promotion.id, outcome, cause)


def standing(environment: str = "staging") -> Standing:
    """Return how an environment stands now."""
    with connect() as ledger:
        return environments.standing(ledger, "api", environment)


def test_history_tells_every_promotion_the_newest_first(accept: Callable[..., Promotion], settings: Settings) -> None:
    """With its number, its outcome and who asked, of this environment alone."""
    end(accept(1), "released")
    end(accept(2, by="bob"), "rolled_back", "exit code 3")
    accept(3)
    accept(4, "main")

    with connect(settings) as ledger:
        found = history.of(ledger, "api", "staging", 10)
        last = history.of(ledger, "api", "staging", 1)

    assert [(one.version, one.outcome, one.cause, one.by) for one in found] == [
        ("v0.0.3-test", None, None, "ann"),
        ("v0.0.2-test", "rolled_back", "exit code 3", "bob"),
        ("v0.0.1-test", "released", None, "ann"),
    ]
    assert [one.seconds is None for one in found] == [True, False, False]
    assert last == found[:1]


def test_a_promotion_without_a_number_is_told_too(settings: Settings, make_service: Callable[..., Service]) -> None:
    """It may have ended before it had one."""
    with connect(settings) as ledger:
        promotions.accept(ledger, make_service(), PUSH)

        assert [one.version for one in history.of(ledger, "api", "staging", 10)] == [None]


@pytest.mark.usefixtures("settings")
def test_an_environment_that_nobody_knows_stands_free() -> None:
    """Nothing was promoted to it yet."""
    assert standing() == Standing(release=None, holder=None, freeze=None, hold=None, doubt=None)


def test_an_environment_tells_what_was_released_in_it(accept: Callable[..., Promotion]) -> None:
    """The last that was verified, whatever was tried since."""
    end(accept(1), "released")
    end(accept(2), "rejected")

    release = standing().release

    assert release is not None
    assert (release.version, release.digest, release.by) == ("v0.0.1-test", DIGEST, "ann")


def test_an_environment_tells_who_holds_it(accept: Callable[..., Promotion], settings: Settings) -> None:
    """Since when, driven by whom, and whether that one gives signs of life; nobody when it has ended."""
    promotion = accept(1)
    with connect(settings) as ledger:
        leases.take(ledger, promotion, driver="one", seconds=30)
    holder = standing().holder
    with connect(settings) as ledger:
        promotions.drive(ledger, promotion.id, "one", 0)
        leases.take(ledger, promotion, driver="another", seconds=0)
    later = standing().holder
    end(promotion, "rejected")

    assert holder is not None
    assert later is not None
    assert (holder.version, holder.driver, holder.alive) == ("v0.0.1-test", "one", True)
    assert (later.driver, later.alive, later.since) == ("another", False, holder.since)
    assert standing().holder is None


def test_an_environment_tells_why_it_is_frozen(accept: Callable[..., Promotion], settings: Settings) -> None:
    """Until it is unfrozen; that tells what ended."""
    accept(1)
    with connect(settings) as ledger:
        leases.freeze(ledger, "api", "staging", reason="fire drill", by="ann")
    frozen = standing().freeze
    with connect(settings) as ledger:
        ended, nothing = (leases.unfreeze(ledger, "api", "staging") for _ in range(2))

    assert frozen is not None
    assert (frozen.reason, frozen.by) == ("fire drill", "ann")
    assert (ended, nothing, standing().freeze) == (frozen, None, None)


def test_a_commit_is_held_until_something_newer_is_released(accept: Callable[..., Promotion]) -> None:
    """What was taken back before the last release concerns nobody any more."""
    end(accept(1), "rolled_back", "exit code 3")
    held = standing().hold
    end(accept(2), "released")

    assert held is not None
    assert (held.version, held.cause) == ("v0.0.1-test", "exit code 3")
    assert standing().hold is None
