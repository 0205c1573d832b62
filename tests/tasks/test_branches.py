"""What the poller finds, on a real ledger and a real remote."""

from typing import Any

import pytest

from promoter import remotes
from promoter.config import Service
from promoter.ledger import arrivals
from promoter.ledger.connection import connect
from promoter.settings import Settings
from tasks.acceptance import accept
from tasks.branches import note_heads, start_pushes


def look(service: Service) -> list[tuple[str, str]]:
    """Return branch and commit of what is to be started."""
    heads = {
        name: commit for name, commit in remotes.heads(service.repository).items() if name in {"dev", "main", "test"}
    }
    with connect() as ledger:
        return [(one.branch, one.commit) for one in note_heads(ledger, service, heads)]


@pytest.fixture
def seen(service: Service, head: str) -> Service:
    """Return a service whose branches were looked at once."""
    assert look(service) == []
    assert head
    return service


def push(repository: Any, branch: str = "test") -> str:
    """Push a commit to a branch of the remote."""
    repository.switch(branch)
    return str(repository.commit("fix: something"))


def test_the_first_look_starts_nothing(seen: Service) -> None:
    """What runs already is not promoted because Promoter came; it stays so."""
    assert look(seen) == []


@pytest.mark.usefixtures("head")
def test_the_first_look_starts_nothing_either_where_a_webhook_came_before_it(service: Service, repository: Any) -> None:
    """Only what the webhook brought is to be started: production's head is nobody's wish. What is pushed from then on is."""
    commit = push(repository)
    with connect() as ledger:
        arrived = {"service": service.name, "repository": service.repository, "branch": "test", "commit": commit}
        arrivals.note(ledger, **arrived, delivery="one", pushed_by="ann")

    assert look(service) == [("test", commit)]
    later = push(repository, "main")
    assert sorted(look(service)) == [("main", later), ("test", commit)]


def test_the_first_look_starts_nothing_either_where_a_person_promoted_before_it(
    service: Service, head: str, repository: Any
) -> None:
    """A service gets its [github] table after it was promoted by hand for a while."""
    accept.fn("api", "test", head)

    assert look(service) == []
    commit = push(repository)
    assert look(service) == [("test", commit)]


def test_a_head_that_no_webhook_brought_is_found_until_it_is_started(seen: Service, repository: Any) -> None:
    """The flow that takes it up ends that."""
    commit = push(repository)

    assert look(seen) == look(seen) == [("test", commit)]
    accept.fn("api", "test", commit)
    assert look(seen) == []


def test_two_branches_at_one_commit_are_two_pushes(seen: Service, repository: Any) -> None:
    """Each branch has its own rule."""
    commit = push(repository)
    repository.git("branch", "--force", "dev", commit)

    assert sorted(look(seen)) == [("dev", commit), ("test", commit)]


def test_what_its_branch_left_behind_is_not_started(
    seen: Service, repository: Any, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The head is; a branch that is pushed back to it later lets it be started after all."""
    started: list[str] = []
    monkeypatch.setattr("tasks.branches._start", lambda _service, arrival: started.append(arrival.commit))
    older = push(repository)
    look(seen)
    newer = push(repository)

    start_pushes.fn(seen)
    repository.git("reset", "--quiet", "--hard", older)
    start_pushes.fn(seen)

    assert started == [newer, older]
    with connect(settings) as ledger:
        left = arrivals.find(ledger, "api", seen.repository, "test", newer)
    assert left is not None
    assert left.dropped == f"its branch is at {older[:12]}"


def test_a_push_that_arrived_was_asked_for_by_who_pushed(seen: Service, repository: Any, settings: Settings) -> None:
    """The delivery stands beside it in the ledger."""
    commit = push(repository)
    with connect(settings) as ledger:
        arrivals.note(
            ledger,
            service="api",
            repository=seen.repository,
            branch="test",
            commit=commit,
            delivery="one",
            pushed_by="ann",
        )

    assert accept.fn("api", "test", commit).by == "ann"
    with connect(settings) as ledger:
        row = ledger.execute("SELECT delivery FROM pushes WHERE commit = %s", [commit]).fetchone()
    assert row == {"delivery": "one"}
