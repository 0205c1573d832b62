"""Pull requests in the ledger: each head once, and of each pull request only the newest is worth a check."""

from uuid import UUID, uuid4

import pytest

from promoter.ledger import changes
from promoter.ledger.changes import Asked
from promoter.ledger.connection import connect
from promoter.settings import Settings

RUN = uuid4()
OLD, NEW = "a" * 40, "b" * 40


@pytest.fixture(autouse=True)
def ledger(settings: Settings) -> Settings:
    """Have a ledger of one's own."""
    return settings


def note(commit: str, number: int = 7, delivery: str | None = None) -> tuple[Asked, bool]:
    """Note a head."""
    with connect() as ledger:
        return changes.note(
            ledger, service="api", repository="r", number=number, commit=commit, target="dev", delivery=delivery
        )


def unstarted() -> list[UUID]:
    """Return what waits for its check."""
    with connect() as ledger:
        return [one.id for one in changes.unstarted(ledger, "api")]


def test_a_head_is_noted_once() -> None:
    """By its commit, and by its delivery whatever that says the second time; another pull request may have the same head."""
    first, is_new = note(OLD, delivery="1")

    assert is_new
    assert note(OLD, delivery="2") == (first, False)
    assert note(NEW, delivery="1") == (first, False)
    assert note(OLD, number=8)[1]


def test_of_a_pull_request_the_newest_head_waits() -> None:
    """One that was pushed over is nobody's business any more; one whose check began waits for nothing."""
    note(OLD)
    newest, _ = note(NEW)
    other, _ = note(OLD, number=8)

    assert unstarted() == [newest.id, other.id]
    with connect() as ledger:
        changes.begin(ledger, newest.id, RUN)
    assert unstarted() == [other.id]


def test_a_check_is_started_by_one() -> None:
    """Who comes at the same time gets no try; one that is given back is there for the next."""
    asked, _ = note(OLD)

    with connect() as ledger:
        tries = [changes.take(ledger, asked.id), changes.take(ledger, asked.id)]
        changes.give_back(ledger, asked.id)
        tries.append(changes.take(ledger, asked.id))

    assert tries == [1, None, 1]


def test_what_was_found_first_stands_until_it_begins_again() -> None:
    """The hook of a run that failed says nothing over what the run found."""
    asked, _ = note(OLD)
    with connect() as ledger:
        changes.begin(ledger, asked.id, RUN)
        changes.end(ledger, asked.id, "failure", "check", "found")
        changes.end(ledger, asked.id, "error", "check", "never came to an end")
        found = changes.of_flow_run(ledger, RUN)
        changes.begin(ledger, asked.id, RUN)
        again = changes.get(ledger, asked.id)

    assert found is not None
    assert (found.state, found.report) == ("failure", "found")
    assert (again.state, again.report) == (None, None)
