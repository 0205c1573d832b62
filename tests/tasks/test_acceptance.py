"""What is refused before a promotion begins, and which number it gets, on a real ledger and a real remote."""

from collections.abc import Callable
from typing import Any

import pytest

from promoter.config import Service
from promoter.errors import (
    ConfigurationError,
    LedgerError,
    PromoterError,
    RejectedError,
    RepositoryError,
    UnknownBranchError,
)
from promoter.ledger import promotions, steps, verifications
from promoter.ledger.connection import connect
from promoter.records import Push, Rollout
from promoter.settings import Settings
from promoter.verification import Finding
from tasks.acceptance import accept
from tasks.version import compute_version
from tests.tasks.conftest import write


def in_the_ledger(settings: Settings) -> int:
    """Return how many promotions there are."""
    with connect(settings) as ledger:
        return len(promotions.unended(ledger))


@pytest.mark.usefixtures("service", "head")
@pytest.mark.parametrize(
    ("push", "error", "message"),
    [
        pytest.param(("apy", "test", None), ConfigurationError, "no service 'apy'", id="service"),
        pytest.param(("api", "feat/x", None), UnknownBranchError, "'feat/x' is not promoted", id="branch"),
        pytest.param(("api", "test", "f" * 40), RepositoryError, "f" * 40, id="commit"),
        pytest.param(("api", "test", "--upload-pack=x"), RepositoryError, "--upload-pack", id="option as commit"),
    ],
)
def test_what_is_unknown_is_refused_before_a_promotion_begins(
    settings: Settings, push: tuple[str, str, str | None], error: type[PromoterError], message: str
) -> None:
    """One clear error, and nothing in the ledger."""
    with pytest.raises(error, match=message):
        accept.fn(*push)

    assert in_the_ledger(settings) == 0


@pytest.mark.usefixtures("head")
def test_a_malformed_file_is_refused_before_a_promotion_begins(service: Service, settings: Settings) -> None:
    """It is named with the key that is wrong."""
    path = write(service, settings)
    path.write_text(path.read_text().replace("suffix", "sufix", 1))

    with pytest.raises(ConfigurationError, match=r"api\.toml.*sufix"):
        accept.fn("api", "test", None)

    assert in_the_ledger(settings) == 0


def test_a_repository_that_is_none_is_refused(make_service: Callable[..., Service], settings: Settings) -> None:
    """A folder without a history cannot be promoted."""
    empty = settings.services.parent / "empty"
    empty.mkdir()
    write(make_service(repository=str(empty)), settings)

    with pytest.raises(RepositoryError, match="empty"):
        accept.fn("api", "test", None)

    assert in_the_ledger(settings) == 0


@pytest.mark.usefixtures("service", "head")
def test_without_a_ledger_nothing_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is changed without it."""
    monkeypatch.setenv("PROMOTER_LEDGER_URL", "postgresql://promoter@127.0.0.1:1/promoter")

    with pytest.raises(LedgerError, match="cannot be reached"):
        accept.fn("api", "test", None)


def test_the_head_of_the_branch_is_promoted_where_no_commit_is_named(service: Service, head: str) -> None:
    """The push is fixed when it is accepted: repository, branch, commit and base."""
    push = accept.fn("api", "test", None).push

    assert (push.repository, push.branch, push.commit, push.base) == (service.repository, "test", head, "v1.0.2")


def test_a_promotion_that_was_interrupted_is_not_resumed_but_taken_back(
    service: Service, head: str, settings: Settings
) -> None:
    """A half-changed environment goes back first, also where its steps are all taken back and only the end is missing."""
    promotion = accept.fn(service.name, "test", head)
    with connect(settings) as ledger:
        steps.begin(ledger, promotion.id, "roll_out", "Rollout")
        steps.intend(ledger, promotion.id, "roll_out", Rollout("tsk:1", "tsk:2"))
    with pytest.raises(RejectedError, match="interrupted in roll_out"):
        accept.fn(service.name, "test", head)
    with connect(settings) as ledger:
        steps.undo(ledger, promotion.id, "roll_out", "undone")

    with pytest.raises(RejectedError, match="interrupted in roll_out"):
        accept.fn(service.name, "test", head)


def release(service: Service, commit: str, branch: str, *findings: Finding) -> None:
    """Verify a commit in the environment of `branch`, and note what a later look found there."""
    with connect() as ledger:
        push = Push(repository=service.repository, branch=branch, commit=commit, base="v1.0.2")
        promotion = promotions.accept(ledger, service, push)
        promotions.verify(ledger, promotion.id)
        promotions.end(ledger, promotion.id, "released")
        verifications.note(ledger, service.name, promotion.environment_name, promotion.id, findings)


def test_a_release_that_is_unwell_is_not_promoted_further(service: Service, head: str, repository: Any) -> None:
    """Whatever contains it is refused too, until it is well again; a person gets past."""
    newer = repository.commit()
    release(service, head, "test", Finding("sick", "health: status 500"))

    with pytest.raises(
        RejectedError, match=rf"brings along {head[:12]}, which is unwell in staging since .* status 500"
    ):
        accept.fn("api", "main", newer)

    assert accept.fn("api", "main", head, force=True).push.commit == head
    release(service, head, "test")
    assert accept.fn("api", "main", newer).push.commit == newer


def test_a_cure_for_production_may_come_through_staging(service: Service, head: str, repository: Any) -> None:
    """What is unwell at the end of the way keeps nothing from its beginning."""
    release(service, head, "main", Finding("sick", "health: status 500"))
    cure = repository.commit()
    repository.git("branch", "--force", "test")

    assert accept.fn("api", "test", cure).push.commit == cure


@pytest.mark.usefixtures("head")
def test_a_commit_that_its_branch_does_not_hold_is_rejected(service: Service, repository: Any) -> None:
    """What a webhook says of a branch is a hint; a person may want it all the same."""
    repository.switch("dev")
    stray = repository.commit("feat: not on test")
    with pytest.raises(RejectedError, match=f"{stray[:12]} is no commit of the branch 'test', which is at"):
        accept.fn(service.name, "test", stray)

    forced = accept.fn(service.name, "test", stray, force=True)
    assert forced.ended_at is None
    assert accept.fn(service.name, "dev", stray).ended_at is None


def test_a_promotion_that_began_goes_on_when_its_branch_is_pushed_over(
    service: Service, head: str, repository: Any, settings: Settings
) -> None:
    """Its number is reserved, and its tests may have run."""
    repository.switch("test")
    commit = repository.commit("fix: something")
    promotion = accept.fn(service.name, "test", commit)
    with connect(settings) as ledger:
        steps.begin(ledger, promotion.id, "compute_version", "Version")
    repository.git("reset", "--quiet", "--hard", head)

    assert accept.fn(service.name, "test", commit).id == promotion.id


def test_a_number_that_another_commit_bears_is_skipped(service: Service, head: str, repository: Any) -> None:
    """A tag in the repository is taken, whoever set it: the next number is free, and the tag stays where it is."""
    repository.switch("test")
    repository.commit("fix: something")
    repository.tag("v1.0.3-test", head)

    version = compute_version.fn(accept.fn(service.name, "test", None))

    assert version.tag == "v1.0.4-test"
    assert repository.git("rev-parse", "v1.0.3-test^{commit}") == head
