"""The sandbox's GitHub behaves as GitHub does where that matters to whoever shows something there; PyGithub asks."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import github as pygithub
import pytest
from github import Auth, Github
from github.Repository import Repository
from pydantic import SecretStr

from deployments.sandbox import parts
from deployments.sandbox.github import State
from deployments.sandbox.sample.service import GITHUB
from promoter.github import Credentials, Status
from promoter.github.client import Client
from tests.github import PATIENTLY, REPOSITORY, TOKEN, GitHub, serving

A, B = "a" * 40, "b" * 40


@pytest.fixture
def place(tmp_path: Path) -> Iterator[GitHub]:
    """Return a GitHub of one's own."""
    with serving(tmp_path / "github") as found:
        yield found


@pytest.fixture
def repository(place: GitHub) -> Repository:
    """Return its repository as PyGithub has it."""
    options: dict[str, Any] = {"base_url": place.url, "timeout": 60, "retry": 0, "seconds_between_writes": None}
    return Github(auth=Auth.Token(TOKEN), seconds_between_requests=None, **options).get_repo(REPOSITORY)


@pytest.mark.parametrize(
    ("environment", "older"), [("staging", "inactive"), pytest.param("production", "success", id="production stays")]
)
def test_a_success_retires_the_one_before_unless_it_is_production(
    repository: Repository, place: GitHub, environment: str, older: str
) -> None:
    """By default, https://docs.github.com/rest/deployments/statuses: the reason why we say `inactive` ourselves."""
    for commit in (A, B):
        made = repository.create_deployment(commit, environment=environment, required_contexts=[])
        made.create_status("success")

    assert place.shown().environment(environment) == [(A, older), (B, "success")]


def test_what_github_does_not_take_is_refused(repository: Repository) -> None:
    """States that it does not know, words that are too long, commits and Deployments that are not there."""
    made = repository.create_deployment(A, environment="staging", required_contexts=[])
    attempts = [
        lambda: made.create_status("sideways"),
        lambda: made.create_status("success", description="x" * 141),
        lambda: repository.get_commit("a" * 7),
        lambda: repository.get_deployment(999),
    ]

    def status(attempt: object) -> int:
        with pytest.raises(pygithub.GithubException) as raised:
            attempt()  # type: ignore[operator]
        return raised.value.status

    assert [status(attempt) for attempt in attempts] == [422, 422, 422, 404]


def test_it_can_be_a_part_of_the_sandbox(tmp_path: Path) -> None:
    """A process of its own, which keeps what it shows in its folder."""
    try:
        part = parts.start_github(tmp_path, GITHUB, TOKEN)
        client = Client(GITHUB.repository, Credentials(part.url, token=SecretStr(TOKEN)), **PATIENTLY)
        client.show(Status(A, "promoter/sample-api/dev", "success", "done", None), None, again=False)
    finally:
        ended = parts.end_all(tmp_path)

    assert ended == ["github"]
    assert State(tmp_path / "github").read().status(A) == {"promoter/sample-api/dev": "success"}
