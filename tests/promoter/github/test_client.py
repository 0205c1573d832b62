"""What GitHub is asked for, with PyGithub on the sandbox's GitHub: whoever parses the answers is the real client."""

import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import SecretStr

from deployments.sandbox.github import Fault
from promoter.discretion import discreet
from promoter.errors import BusyError, GitHubError
from promoter.github import Comment, Credentials, Deployment, Release, Status
from promoter.github.client import Client
from tests.github import PATIENTLY, REPOSITORY, GitHub, serving

COMMIT = "a" * 40
LINK = "https://prefect.example/runs/flow-run/1"
STATUS = Status(COMMIT, "promoter/api/staging", "pending", "v1.0.3-test → staging: under way", LINK)
DEPLOYMENT = Deployment(
    UUID(int=1), COMMIT, "staging", "deploy:api", "queued", "waits", LINK, "https://staging.example/", production=False
)
RELEASE = Release("v1.0.3-test", COMMIT, is_clean=False)
COMMENT = Comment(7, "<!-- promoter: api -->", "All is well.")


@pytest.fixture
def github(tmp_path: Path) -> Iterator[GitHub]:
    """Return a GitHub of one's own."""
    with serving(tmp_path / "github") as found:
        yield found


def test_a_status_is_shown_with_its_words_and_its_link(github: GitHub) -> None:
    """GitHub keeps each; its page shows the last."""
    client = github.client()

    client.show(STATUS, None, again=False)
    client.show(Status(COMMIT, STATUS.context, "success", "released", None), None, again=True)

    first, _ = github.shown().statuses
    assert (first["description"], first["target_url"]) == (STATUS.description, LINK)
    assert github.shown().status(COMMIT) == {"promoter/api/staging": "success"}


def test_a_deployment_is_made_once_and_then_moves_on(github: GitHub) -> None:
    """Nothing is merged into its commit, and no other check keeps it from being made."""
    client = github.client()

    number = client.show(DEPLOYMENT, None, again=False)
    client.show(DEPLOYMENT, number, again=True)

    (made,) = github.shown().deployments
    assert (made["id"], made["environment"], made["task"]) == (number, "staging", "deploy:api")
    states = github.shown().deployment_statuses
    assert [(one["state"], one["log_url"], one["environment_url"]) for one in states] == [
        ("queued", LINK, "https://staging.example/")
    ] * 2


def test_a_deployment_whose_number_was_lost_is_found_again(github: GitHub) -> None:
    """The answer was lost, or whoever asked died before it could write the number down."""
    client = github.client()
    with github.failing(Fault.LOST), pytest.raises(GitHubError):
        client.show(DEPLOYMENT, None, again=False)

    number = client.show(DEPLOYMENT, None, again=True)

    assert [one["id"] for one in github.shown().deployments] == [number]


def test_a_release_that_is_there_is_taken_as_it_is(github: GitHub) -> None:
    """A tag has one; notes are GitHub's, and a version with a suffix is no release for everybody."""
    numbers = {github.client().show(RELEASE, None, again=again) for again in (False, True)}

    (made,) = github.shown().releases
    assert numbers == {made["id"]}
    assert (made["prerelease"], made["make_latest"], made["target_commitish"]) == (True, "false", COMMIT)
    assert "Full Changelog" in made["body"]


def test_a_comment_is_edited_in_place(github: GitHub) -> None:
    """Also where its number was lost: its hidden first line tells which it is. One that a person deleted is written anew."""
    client = github.client()
    number = client.show(COMMENT, None, again=False)

    again = client.show(Comment(7, COMMENT.marker, "Or not."), None, again=True)
    other = client.show(COMMENT, 999, again=True)

    assert number == again
    assert [one["id"] for one in github.shown().comments] == [number, other]
    assert github.shown().comments[0]["body"] == "<!-- promoter: api -->\nOr not."


@pytest.mark.parametrize(
    ("fault", "transient", "said"),
    [
        pytest.param(Fault.BROKEN, True, "500", id="broken"),
        pytest.param(Fault.FORBIDDEN, False, "Resource not accessible", id="without the permission"),
    ],
)
def test_what_goes_wrong_is_said_at_once(github: GitHub, fault: Fault, transient: bool, said: str) -> None:  # noqa: FBT001
    """Nothing is tried again here: PyGithub by itself would wait for minutes."""
    client, began = github.client(), time.monotonic()

    with github.failing(fault), pytest.raises(GitHubError, match=said) as raised:
        client.show(STATUS, None, again=False)

    assert raised.value.transient is transient
    assert time.monotonic() - began < 30


@pytest.mark.parametrize(
    ("fault", "least"),
    [pytest.param(Fault.BUSY, 60, id="secondary"), pytest.param(Fault.EXHAUSTED, 10_000, id="primary")],
)
def test_a_rate_limit_says_for_how_long(github: GitHub, fault: Fault, least: float) -> None:
    """By `retry-after`, or by the time when there are requests again."""
    with github.failing(fault), pytest.raises(BusyError) as raised:
        github.client().show(STATUS, None, again=False)

    assert raised.value.seconds >= least


def test_a_github_that_is_down_is_no_mystery(github: GitHub) -> None:
    """Refused at once."""
    client = github.client()

    with github.down(), pytest.raises(GitHubError, match="does not answer") as raised:
        client.show(STATUS, None, again=False)

    assert raised.value.transient


def test_a_wrong_token_is_refused_for_good(github: GitHub) -> None:
    """And the error says where to read which permissions it needs, and not the token."""
    client = Client(REPOSITORY, Credentials(github.url, token=SecretStr("github_pat_of_somebody_else")), **PATIENTLY)

    with pytest.raises(GitHubError, match="401") as raised:
        client.check()

    assert "docs/github.md" in str(raised.value)
    assert "somebody" not in str(raised.value)


def test_an_app_is_found_on_the_repository(github: GitHub) -> None:
    """It asks for a token of an hour with a claim that its key signs; nobody ever says that token."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    ).decode()

    client = Client(REPOSITORY, Credentials(github.url, app_id="1", app_key=SecretStr(pem)), **PATIENTLY)

    assert client.check() == "Owner/api, number 4711"
    assert "POST /app/installations/7/access_tokens" in github.shown().requests
    assert discreet("ghs_installation1of" + "sandbox" * 4) == "***"
