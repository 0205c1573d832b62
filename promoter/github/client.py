"""GitHub's REST API as far as something is shown there; the only import of PyGithub.

Nothing waits here and nothing is tried again: whoever tells does that, and has the ledger to know what is left.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache, singledispatchmethod
from http import HTTPStatus
from typing import Any

import github
from github import Auth, Github, GithubIntegration

from promoter.discretion import remember
from promoter.errors import BusyError, GitHubError
from promoter.github.credentials import Credentials
from promoter.github.notices import Comment, Deployment, Notice, Release, Status

TIMEOUT = 5
"""Seconds that one answer may take."""
PACE = 0.75
"""Seconds between two requests that write: GitHub takes 80 a minute, https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api."""
BREATH = 60.0
"""Seconds to leave GitHub alone where it says that it was too much, and not until when."""
MOST_CHARACTERS = 65_536
"""Of a comment."""


class Client:
    """One repository on GitHub."""

    def __init__(
        self, repository: str, credentials: Credentials, *, pace: float = PACE, timeout: int = TIMEOUT
    ) -> None:
        """Know `repository` (`OWNER/NAME`) as who `credentials` are; an App is asked for its installation at once."""
        options: dict[str, Any] = {
            "base_url": credentials.api,
            "timeout": timeout,
            "retry": 0,
            "seconds_between_requests": None,
            "seconds_between_writes": pace,
            "user_agent": "promoter",
        }
        self._github = Github(auth=_auth(repository, credentials, options), lazy=True, **options)
        self._repository = self._github.get_repo(repository)
        self._commit = cache(self._repository.get_commit)

    def check(self) -> str:
        """Return the full name under which GitHub knows the repository; raise GitHubError."""
        with _telling("the repository"):
            found = self._repository.complete()
            return f"{found.full_name}, number {found.id}"

    def show(self, notice: Notice, number: int | None, *, again: bool) -> int | None:
        """Let GitHub show `notice`, and return its number there; `number` is the one that it had.

        `again` says that somebody was about to make it and may have: it is looked for first. Raises GitHubError.
        """
        with _telling(notice.key):
            return self._show(notice, number, again=again)

    @singledispatchmethod
    def _show(self, notice: Notice, number: int | None, *, again: bool) -> int | None:
        raise NotImplementedError(type(notice).__name__)

    @_show.register
    def _status(self, notice: Status, number: int | None, *, again: bool) -> int | None:  # noqa: ARG002 - one shape for all
        made = self._commit(notice.commit).create_status(
            notice.state, context=notice.context, description=notice.description, **_present(target_url=notice.link)
        )
        return made.id

    @_show.register
    def _deployment(self, notice: Deployment, number: int | None, *, again: bool) -> int | None:
        if number is None and again:
            number = self._made_before(notice)
        if number is None:
            number = self._repository.create_deployment(
                notice.commit,
                task=notice.task,
                auto_merge=False,
                required_contexts=[],
                payload={"promotion": str(notice.promotion)},
                environment=notice.environment,
                description=notice.description,
                transient_environment=False,
                production_environment=notice.production,
            ).id
        self._repository.get_deployment(number).create_status(
            notice.state,
            description=notice.description,
            environment_url=notice.url,
            auto_inactive=False,  # it would pass over production, and over what followed while GitHub was down
            **_present(target_url=notice.link),
        )
        return number

    @_show.register
    def _release(self, notice: Release, number: int | None, *, again: bool) -> int | None:  # noqa: ARG002 - a tag has one release
        if number is not None:
            return number
        try:
            return self._repository.create_git_release(
                notice.tag,
                prerelease=not notice.is_clean,
                generate_release_notes=True,
                target_commitish=notice.commit,
                make_latest="true" if notice.is_clean else "false",
            ).id
        except github.GithubException as error:
            if error.status != HTTPStatus.UNPROCESSABLE_ENTITY:
                raise
            return self._repository.get_release(notice.tag).id  # a person may have been faster

    @_show.register
    def _comment(self, notice: Comment, number: int | None, *, again: bool) -> int | None:
        issue = self._repository.get_issue(notice.number)
        text = f"{notice.marker}\n{notice.text}"[:MOST_CHARACTERS]
        if number is None and again:
            number = next((one.id for one in issue.get_comments() if one.body.startswith(notice.marker)), None)
        if number is not None:
            try:
                issue.get_comment(number).edit(text)
            except github.UnknownObjectException:  # somebody deleted it
                return issue.create_comment(text).id
            return number
        return issue.create_comment(text).id

    def _made_before(self, notice: Deployment) -> int | None:
        """Return the Deployment that was made for this promotion by somebody who could not write down its number."""
        made = self._repository.get_deployments(sha=notice.commit, environment=notice.environment)
        return next((one.id for one in made if one.payload.get("promotion") == str(notice.promotion)), None)


def _auth(repository: str, credentials: Credentials, options: Mapping[str, Any]) -> Auth.Auth:
    if credentials.token is not None:
        return Auth.Token(credentials.token.get_secret_value())
    key = credentials.app_key.get_secret_value() if credentials.app_key else ""
    app = Auth.AppAuth(credentials.app_id, key.replace("\\n", "\n"))
    with _telling("the App's installation"), GithubIntegration(auth=app, **options) as integration:
        found = integration.get_repo_installation(*repository.split("/"))
        auth = app.get_installation_auth(found.id, requester=integration.requester)
        remember(auth.token)
        return auth


def _present(**values: str | None) -> dict[str, str]:
    """Return the arguments that have a value: what is left out, PyGithub does not send."""
    return {name: value for name, value in values.items() if value is not None}


@contextmanager
def _telling(what: str) -> Iterator[None]:
    """Turn whatever is in the way into a GitHubError that says what was to be shown."""
    try:
        yield
    except github.GithubException as error:
        raise _refusal(what, error) from error
    except OSError as error:  # requests' errors are such
        raise GitHubError(f"GitHub does not answer ({what}): {error}", transient=True) from error


def _refusal(what: str, error: github.GithubException) -> GitHubError:
    headers = error.headers or {}
    said = f"GitHub answers {error.status} ({what}): {error.message or error.data}"
    if error.status == HTTPStatus.TOO_MANY_REQUESTS or _is_too_much(error, headers):
        return BusyError(said, seconds=_seconds(headers))
    return GitHubError(
        said,
        transient=error.status >= HTTPStatus.INTERNAL_SERVER_ERROR,
        hint="Has its token these permissions: docs/github.md?" if error.status in {401, 403, 404} else None,
    )


def _is_too_much(error: github.GithubException, headers: Mapping[str, str]) -> bool:
    limited = "retry-after" in headers or headers.get("x-ratelimit-remaining") == "0"
    return isinstance(error, github.RateLimitExceededException) or (error.status == HTTPStatus.FORBIDDEN and limited)


def _seconds(headers: Mapping[str, str]) -> float:
    """Return how long GitHub wants to be left alone, as it says or as it recommends."""
    wait, reset = headers.get("retry-after", ""), headers.get("x-ratelimit-reset", "")
    if wait.isdecimal():
        return float(wait)
    if headers.get("x-ratelimit-remaining") == "0" and reset.isdecimal():
        return max(float(reset) - time.time(), 1.0)
    return BREATH
