"""Reads the JSON of a verified delivery, strictly; what JSON leaves open, we refuse."""

import json
import re
from typing import Any, NoReturn, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

DEEPEST = 32
"""GitHub's own payloads are a handful of levels deep."""
COMMIT = re.compile(r"[0-9a-f]{40}")
NO_COMMIT = "0" * 40
"""What git calls the head of a branch that is not there."""
HEADS = "refs/heads/"
BRANCH = re.compile(r"(?!-)(?!.*(\.\.|//|/\.|\.lock(/|$)))[A-Za-z0-9_-][A-Za-z0-9._/-]{0,99}(?<![./])")
"""The names that git allows, without those that mean something to a shell, a template or a reader's eye."""
LOGIN = re.compile(r"[A-Za-z0-9-]{1,39}(\[bot\])?")
SOMEBODY = "GitHub"
"""Who pushed where the payload does not say it in a form that can be shown."""


class MalformedError(ValueError):
    """A delivery that is signed, and not what GitHub sends."""


class Strict(BaseModel):
    """Fields that nobody reads may be there; those that are read have the right type."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


M = TypeVar("M", bound=Strict)


class Repository(Strict):
    """Where it was pushed."""

    id: int
    full_name: str


class Sender(Strict):
    """Who pushed."""

    login: str = ""

    @property
    def shown(self) -> str:
        """Its name, where that has the form that GitHub's names have."""
        return self.login if LOGIN.fullmatch(self.login) else SOMEBODY


class Pushed(Strict):
    """The fields of a push that are read; commits and messages are none of them."""

    ref: str
    after: str
    deleted: bool = False
    repository: Repository
    sender: Sender = Field(default_factory=Sender)

    @property
    def branch(self) -> str | None:
        """The branch, None for a tag and for whatever is no plain branch name."""
        name = self.ref.removeprefix(HEADS)
        return name if name != self.ref and BRANCH.fullmatch(name) else None

    @property
    def pushed_by(self) -> str:
        """Who pushed."""
        return self.sender.shown


class Side(Strict):
    """One of the two branches of a pull request."""

    ref: str
    sha: str
    repo: Repository | None
    """None where a fork was deleted."""


class PullRequest(Strict):
    """The fields of a pull request that are read; its title and its text are none of them."""

    number: int = Field(gt=0, lt=10**9)
    state: str
    head: Side
    base: Side


class Label(Strict):
    """A label."""

    name: str


class Requested(Strict):
    """What somebody did with a pull request."""

    action: str
    pull_request: PullRequest
    repository: Repository
    label: Label | None = None
    """The one that was put on it or taken off."""
    sender: Sender = Field(default_factory=Sender)

    @property
    def is_from_elsewhere(self) -> bool:
        """Whether its code is that of a fork, also of one that is gone."""
        head = self.pull_request.head.repo
        return head is None or head.id != self.repository.id

    @property
    def asked_by(self) -> str:
        """Who did it."""
        return self.sender.shown


def read_push(body: bytes) -> Pushed:
    """Return the push that `body` tells of; raise MalformedError."""
    return _validated(Pushed, body, "push")


def read_pull_request(body: bytes) -> Requested:
    """Return what `body` tells of a pull request; raise MalformedError."""
    return _validated(Requested, body, "pull request")


def _validated(kind: type[M], body: bytes, name: str) -> M:
    try:
        return kind.model_validate(read(body))
    except ValidationError as error:
        fields = sorted({".".join(map(str, problem["loc"])) for problem in error.errors()})
        raise MalformedError(f"not a {name}: {', '.join(fields) or 'no object'}") from None


def read(body: bytes) -> Any:  # noqa: ANN401 - JSON is anything
    """Return the value of a JSON text in UTF-8; raise MalformedError for what two readers could take for two things."""
    try:
        value = json.loads(body.decode("utf-8"), object_pairs_hook=_object, parse_constant=_refuse)
    except MalformedError:
        raise
    except (ValueError, RecursionError):
        raise MalformedError("not JSON") from None
    if _is_deeper(value, DEEPEST):
        raise MalformedError(f"deeper than {DEEPEST} levels")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise MalformedError("a name stands twice in an object")
    return found


def _refuse(_constant: str) -> NoReturn:
    raise MalformedError("NaN and Infinity are no JSON")


def _is_deeper(value: object, most: int) -> bool:
    """Say whether a value is nested more than `most` times, level by level."""
    level = [value]
    for _ in range(most):
        level = [inner for outer in level for inner in _inside(outer)]
    return any(isinstance(inner, dict | list) for inner in level)


def _inside(value: object) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []
