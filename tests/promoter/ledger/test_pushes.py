"""Pushes on a real ledger: known by their delivery and by their commit, once for each service."""

from collections.abc import Callable
from dataclasses import replace
from uuid import uuid4

import pytest

from promoter.config import Service
from promoter.ledger import leases, promotions
from promoter.ledger.connection import connect
from promoter.ledger.promotions import Outcome, Promotion
from promoter.records import Push
from promoter.settings import Settings

A, B = "a" * 40, "b" * 40
PUSH = Push(repository="https://git.example/api.git", branch="test", commit=A, base="v1.0.2")

Accept = Callable[..., Promotion]


@pytest.fixture
def accept(settings: Settings, make_service: Callable[..., Service]) -> Accept:
    """Return a way to accept a push in a transaction of its own."""

    def make(push: Push = PUSH, *, name: str = "api", **asked: object) -> Promotion:
        with connect(settings) as ledger:
            return promotions.accept(ledger, make_service(name=name), push, **asked)  # type: ignore[arg-type]

    return make


def end(settings: Settings, promotion: Promotion, outcome: Outcome) -> None:
    """End a promotion, verified where that needs it."""
    with connect(settings) as ledger:
        if outcome == "released":
            promotions.verify(ledger, promotion.id)
        promotions.end(ledger, promotion.id, outcome, "because")


def test_a_delivery_that_comes_twice_is_one_promotion(accept: Accept) -> None:
    """GitHub delivers again what it got no answer for."""
    assert accept(delivery="one").id == accept(delivery="one").id


def test_a_push_that_is_delivered_under_two_names_is_one_promotion(accept: Accept) -> None:
    """A webhook and a poller see the same commit."""
    assert accept(delivery="one").id == accept(delivery="two").id == accept().id


def test_a_known_delivery_stays_the_push_that_it_was(accept: Accept) -> None:
    """Whatever it says the second time."""
    first = accept(delivery="one")

    again = accept(replace(PUSH, branch="main", commit=B), delivery="one")

    assert (again.id, again.push) == (first.id, PUSH)


def test_one_delivery_may_concern_two_services(accept: Accept) -> None:
    """They live in one repository."""
    one, other = accept(delivery="one"), accept(name="web", delivery="one")

    assert (one.service.name, other.service.name) == ("api", "web")


def test_a_promotion_knows_who_asked_for_it(accept: Accept) -> None:
    """The first to ask; a duplicate asks for nothing new."""
    assert accept(by="ann").by == "ann"
    assert accept(by="bob").by == "ann"
    assert accept(replace(PUSH, commit=B)).by == "Prefect"


def test_a_person_may_force_what_is_under_way(accept: Accept) -> None:
    """It is the same promotion, forced from now on."""
    first = accept()

    forced = accept(force=True)

    assert (first.forced, forced.forced, forced.id) == (False, True, first.id)
    assert accept().forced


def test_a_person_may_release_again_what_was_released(accept: Accept, settings: Settings) -> None:
    """One more promotion for one flow run, however often that run is tried again."""
    run = uuid4()
    first = accept(flow_run=uuid4())
    end(settings, first, "released")

    forced = accept(flow_run=run, force=True)
    end(settings, forced, "released")

    assert forced.id != first.id
    assert accept(flow_run=run, force=True).id == forced.id


@pytest.mark.parametrize(
    ("outcome", "held"),
    [
        ("released", False),
        ("rolled_back", True),
        ("schema_kept", True),
        ("frozen", True),
        ("superseded", False),
        ("rejected", False),
    ],
)
def test_a_commit_is_held_after_a_way_back(accept: Accept, settings: Settings, outcome: Outcome, *, held: bool) -> None:
    """In that environment, whatever branch it comes on."""
    promotion = accept()
    end(settings, promotion, outcome)

    with connect(settings) as ledger:
        found = promotions.holding(ledger, "api", "staging", A)

        assert (found is not None and found.id == promotion.id) is held
        assert promotions.holding(ledger, "api", "production", A) is None
        assert promotions.holding(ledger, "api", "staging", B) is None


def test_a_commit_that_was_released_after_all_is_held_no_more(accept: Accept, settings: Settings) -> None:
    """The last word counts."""
    end(settings, accept(), "rolled_back")
    end(settings, accept(force=True), "released")

    with connect(settings) as ledger:
        assert promotions.holding(ledger, "api", "staging", A) is None


def test_who_waits_gives_way_and_who_holds_does_not(accept: Accept, settings: Settings) -> None:
    """A promotion that holds its environment goes on to its end."""
    waiting, holder = accept(), accept(replace(PUSH, commit=B))
    with connect(settings) as ledger:
        leases.take(ledger, holder, driver="one", seconds=30)

        assert leases.give_way(ledger, waiting.id, "a newer one")
        assert not leases.give_way(ledger, waiting.id, "a newer one")
        assert not leases.give_way(ledger, holder.id, "a newer one")
        assert [one.id for one in promotions.waiting(ledger, "api", "staging")] == [holder.id]
