"""Pushes that arrived, on a real ledger: noted once, tried by one at a time, until a flow takes them up."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from promoter.config import Service
from promoter.ledger import arrivals, promotions
from promoter.ledger.arrivals import BEFORE, Arrival
from promoter.ledger.connection import connect
from promoter.records import Push
from promoter.settings import Settings

A, B = "a" * 40, "b" * 40
PUSH = Push(repository="https://git.example/api.git", branch="test", commit=A, base="v1.0.2")

Note = Callable[..., Arrival]


@pytest.fixture
def note(settings: Settings) -> Note:
    """Return a way to note a push in a transaction of its own."""

    def make(commit: str = A, *, service: str = "api", delivery: str | None = None, **others: Any) -> Arrival:
        where = {"service": service, "repository": PUSH.repository, "branch": PUSH.branch}
        with connect(settings) as ledger:
            return arrivals.note(ledger, **where, commit=commit, delivery=delivery, pushed_by="ann", **others)[0]

    return make


def unstarted(settings: Settings) -> list[str]:
    """Return the commits that no flow took up."""
    with connect(settings) as ledger:
        return [arrival.commit for arrival in arrivals.unstarted(ledger, "api")]


def take(settings: Settings, arrival: Arrival, patience: float = arrivals.PATIENCE) -> int | None:
    """Take a try in a transaction of its own."""
    with connect(settings) as ledger:
        return arrivals.take(ledger, arrival.id, patience)


def test_a_push_is_noted_once(note: Note, settings: Settings) -> None:
    """By its delivery or by its commit; for each service by itself."""
    first = note(delivery="one")

    assert [note(delivery="one").id, note(delivery="two").id, note(B, delivery="one").id] == [first.id] * 3
    assert note(service="web", delivery="one").id != first.id
    assert unstarted(settings) == [A]


def test_what_a_flow_takes_up_is_started(note: Note, settings: Settings, make_service: Callable[..., Service]) -> None:
    """The promotion itself says so; nobody has to mark it."""
    arrival = note()
    note(B)
    with connect(settings) as ledger:
        assert not arrivals.is_promoted(ledger, "api", PUSH.repository, "test", A)
        promotions.accept(ledger, make_service(), PUSH)
        promotions.accept(ledger, make_service(), replace(PUSH, branch="main", commit=B))

        assert arrivals.is_promoted(ledger, "api", PUSH.repository, "test", A)
    assert unstarted(settings) == [B]
    assert take(settings, arrival) is None


def test_one_at_a_time_tries_to_start_a_push(note: Note, settings: Settings) -> None:
    """The next may after a while, twice as long each time."""
    arrival = note()

    assert [take(settings, arrival), take(settings, arrival), take(settings, arrival, patience=0)] == [1, None, 2]
    with connect(settings) as ledger:
        ledger.execute("UPDATE arrivals SET tried_at = tried_at - interval '90 seconds'")
    assert take(settings, arrival, patience=60) is None
    assert take(settings, arrival, patience=40) == 3


def test_a_try_that_started_nothing_is_given_back(note: Note, settings: Settings) -> None:
    """The next has the same number, so what may have been started after all is the same."""
    arrival = note()
    take(settings, arrival)
    with connect(settings) as ledger:
        arrivals.give_back(ledger, arrival.id)

    assert take(settings, arrival) == 1


def test_however_often_it_was_tried_it_is_tried_again(note: Note, settings: Settings) -> None:
    """Once an hour in the end."""
    arrival = note()
    with connect(settings) as ledger:
        ledger.execute("UPDATE arrivals SET tries = 100000, tried_at = clock_timestamp() - interval '61 minutes'")

    assert take(settings, arrival) == 100001


def test_what_is_dropped_is_not_started_and_can_be_revived(note: Note, settings: Settings) -> None:
    """The reason stays until then."""
    before, arrival = note(B, dropped=BEFORE), note()
    with connect(settings) as ledger:
        arrivals.drop(ledger, arrival.id, "its branch is gone")

    assert unstarted(settings) == []
    assert take(settings, arrival) is None
    assert [note(B).dropped, note().dropped] == [BEFORE, "its branch is gone"]
    with connect(settings) as ledger:
        arrivals.revive(ledger, before.id)
    assert unstarted(settings) == [B]
