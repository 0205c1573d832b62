"""Decides what a verified delivery means: pushes to note, or nothing, and why."""

from collections.abc import Sequence
from dataclasses import dataclass

from deployments.gateway.payload import COMMIT, NO_COMMIT, MalformedError, Pushed, read_push
from promoter.config import SENTENCES, Service
from promoter.errors import UnknownBranchError


@dataclass(frozen=True)
class Ignored:
    """Acknowledged, and nothing done."""

    reason: str


@dataclass(frozen=True)
class Wanted:
    """One push of one service that is to be noted."""

    service: Service
    branch: str
    commit: str
    pushed_by: str

    @property
    def sentence(self) -> str:
        """The flow that the branch's rule asks for."""
        return SENTENCES[self.service.rule(self.branch).stages]


def decide(event: str, body: bytes, services: Sequence[Service]) -> list[Wanted] | Ignored:
    """Return what is to be noted; raise MalformedError for what GitHub would not send."""
    if event == "ping":
        return Ignored("pong")
    if event == "pull_request":
        return Ignored("a pull request starts nothing here")
    if event != "push":
        return Ignored("this kind of event starts nothing here")
    return _of_push(read_push(body), services)


def _of_push(push: Pushed, services: Sequence[Service]) -> list[Wanted] | Ignored:
    if push.after != NO_COMMIT and not COMMIT.fullmatch(push.after):
        raise MalformedError("not a push: after")
    if push.deleted or push.after == NO_COMMIT:
        return Ignored("the branch was deleted")
    if push.branch is None:
        return Ignored("no branch that is promoted")
    ours = [service for service in services if _is_of(push, service)]
    if not ours:
        return Ignored("no service of this repository")
    wanted = [Wanted(one, push.branch, push.after, push.pushed_by) for one in ours if _has_rule(one, push.branch)]
    return wanted or Ignored("no branch that is promoted")


def _is_of(push: Pushed, service: Service) -> bool:
    """Say whether the push is to the repository of a service: by its number and by its name, in capitals or not."""
    known, told = service.github, push.repository
    return (
        known is not None
        and known.repository_id == told.id
        and known.repository.casefold() == told.full_name.casefold()
    )


def _has_rule(service: Service, branch: str) -> bool:
    try:
        service.rule(branch)
    except UnknownBranchError:
        return False
    return True
