"""The sentence that a pull request gets, on a real ledger, a real remote and a Prefect server for the tests alone."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.testing.utilities import prefect_test_harness

from deployments.sandbox.sample.service import to_toml
from flows.check_change import check_change
from promoter.config import Service
from promoter.errors import ChecksError, PromoterError, RepositoryError, UnknownBranchError
from promoter.ledger import changes, reservations
from promoter.ledger.connection import connect
from promoter.settings import Settings
from tasks.acceptance import accept, read_push
from tasks.change import preview_version, read_change
from tasks.version import compute_version


@pytest.fixture(scope="module")
def prefect() -> Iterator[None]:
    """Serve Prefect for the tests of this file."""
    with prefect_test_harness(server_startup_timeout=180):
        yield


@pytest.fixture
def service(make_service: Callable[..., Service], repository: Any, settings: Settings) -> Service:
    """Return a service whose repository has a release, a commit on `dev` and a change; there is nothing in it to test or build."""
    repository.commit("feat: begin")
    repository.tag("v1.0.2")
    repository.branch("feat/x")
    repository.commit("feat: x")
    repository.switch("main")
    repository.branch("dev")
    repository.commit("fix: y")
    found = make_service(repository=str(repository.path))
    settings.services.mkdir()
    (settings.services / "api.toml").write_text(to_toml(found))
    return found


def numbers(service: Service) -> dict[str, str]:
    """Return every number that is reserved."""
    with connect() as ledger:
        return reservations.taken(ledger, service.name, "dev")


def test_the_preview_is_the_number_of_the_merge(service: Service, repository: Any) -> None:
    """What only `dev` has counts too, and until the merge the number is free."""
    previewed = preview_version.fn(read_change.fn("api", "feat/x", None, "dev"))

    assert numbers(service) == {}
    repository.merge("feat/x")
    assert previewed.tag == compute_version.fn(accept.fn("api", "dev", None)).tag == "v1.0.4-dev"


def test_a_number_that_another_commit_holds_is_not_previewed(service: Service) -> None:
    """The ledger is asked although nothing is written to it."""
    push = read_push(service, "dev", None)
    with connect() as ledger:
        version = preview_version.fn(read_change.fn("api", "feat/x", None, "dev"))
        reservations.reserve(ledger, "api", "dev", push.commit, lambda _: version)

    assert preview_version.fn(read_change.fn("api", "feat/x", None, "dev")).tag == "v1.0.5-dev"


@pytest.mark.usefixtures("service")
@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        pytest.param(("api", "feat/z", None, "dev"), RepositoryError, "feat/z", id="branch"),
        pytest.param(("api", "feat/x", "f" * 40, "dev"), RepositoryError, "f" * 40, id="commit"),
        pytest.param(("api", "feat/x", None, "feat/y"), UnknownBranchError, "'feat/y' is not promoted", id="target"),
    ],
)
def test_what_is_unknown_is_refused(
    change: tuple[str, str, str | None, str], error: type[PromoterError], message: str
) -> None:
    """One clear error before anything is tried."""
    with pytest.raises(error, match=message):
        read_change.fn(*change)


@pytest.mark.usefixtures("prefect")
def test_every_part_that_fails_is_told(service: Service) -> None:
    """One that fails hides no other; the run fails with the first, and no number is taken."""
    state = check_change("api", "feat/x", return_state=True)

    error = state.result(raise_on_failure=False)
    assert (state.is_failed(), type(error)) == (True, ChecksError)
    with get_client(sync_client=True) as client:
        run = client.read_flow_runs()[0]
        told = {one.type: str(one.data) for one in client.read_artifacts()}
    assert run.name == f"check feat/x {read_push(service, 'feat/x', None).commit[:7]}: v1.0.4-dev"
    assert told["markdown"].startswith(f"# {run.name}: failed")
    assert "pyproject.toml does not exist" in told["markdown"]
    assert "the image cannot be built" in told["markdown"]
    assert "alembic.ini: no such file" in told["markdown"]
    assert told["table"].count("failed") == 3
    assert numbers(service) == {}


@pytest.fixture
def pull_request(service: Service, repository: Any) -> str:
    """Return the head of pull request 7: of a fork, for no branch has it."""
    repository.git("switch", "--detach", "--quiet", "feat/x")
    commit = str(repository.commit("feat: from elsewhere"))
    repository.git("update-ref", "refs/pull/7/head", commit)
    repository.switch("main")
    assert service.github is None
    return commit


def test_a_pull_request_is_read_from_the_repository_that_it_is_for(pull_request: str) -> None:
    """No fork is ever asked for anything; the ledger knows that its check has begun."""
    change = read_change.fn("api", "refs/pull/7/head", pull_request, "dev")

    assert (change.push.branch, change.push.commit, change.target) == ("pull/7", pull_request, "dev")
    assert change.asked is not None
    with connect() as ledger:
        asked = changes.get(ledger, change.asked)
    assert (asked.number, asked.commit, asked.begun_at is not None, asked.state) == (7, pull_request, True, None)


@pytest.mark.usefixtures("service")
def test_what_is_no_commit_of_the_pull_request_is_refused(repository: Any, pull_request: str) -> None:
    """A webhook's word for it is a hint: it was pushed over, or never was there."""
    other = repository.git("rev-parse", "dev")

    for commit in (other, "f" * 40):
        with pytest.raises(RepositoryError, match=f"is no commit of pull request 7, which is at {pull_request[:12]}"):
            read_change.fn("api", "refs/pull/7/head", commit, "dev")
    with pytest.raises(RepositoryError, match="has no pull request 8"):
        read_change.fn("api", "refs/pull/8/head", None, "dev")


@pytest.mark.usefixtures("prefect", "service")
def test_the_ledger_keeps_what_was_found_for_a_pull_request(pull_request: str) -> None:
    """The same report as in Prefect; from there GitHub is told."""
    check_change("api", "refs/pull/7/head", pull_request, return_state=True)

    with connect() as ledger:
        asked, is_new = changes.note(ledger, service="api", repository="", number=7, commit=pull_request, target="dev")
    assert (is_new, asked.state, asked.title) == (False, "failure", f"check pull/7 {pull_request[:7]}: v1.0.5-dev")
    assert (asked.report or "").startswith(f"# {asked.title}: failed")
    assert "pyproject.toml does not exist" in (asked.report or "")


@pytest.mark.usefixtures("prefect", "service", "pull_request")
def test_a_check_that_comes_to_no_end_says_so(repository: Any) -> None:
    """A hook tells it: nobody waits for a status that never comes."""
    other = repository.git("rev-parse", "dev")

    check_change("api", "refs/pull/7/head", other, return_state=True)

    with connect() as ledger:
        asked, _ = changes.note(ledger, service="api", repository="", number=7, commit=other, target="dev")
    assert asked.state == "error"
    assert "is no commit of pull request 7" in (asked.report or "")
