"""Decides what a verified delivery means: pushes or pull requests to note, or nothing, and why."""

from collections.abc import Sequence
from dataclasses import dataclass

from deployments.gateway.payload import (
    BRANCH,
    COMMIT,
    NO_COMMIT,
    MalformedError,
    Pushed,
    Repository,
    Requested,
    read_pull_request,
    read_push,
)
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


@dataclass(frozen=True)
class Check:
    """One head of a pull request of one service that is to be checked."""

    service: Service
    number: int
    commit: str
    target: str
    asked_by: str


Answer = Sequence[Wanted] | Sequence[Check] | Ignored
BEGINNINGS = {"opened", "reopened", "synchronize"}
"""What is done with a pull request when it gets a head that nobody checked."""


def decide(event: str, body: bytes, services: Sequence[Service]) -> Answer:
    """Return what is to be noted; raise MalformedError for what GitHub would not send."""
    if event == "ping":
        return Ignored("pong")
    if event == "pull_request":
        return _of_pull_request(read_pull_request(body), services)
    if event != "push":
        return Ignored("this kind of event starts nothing here")
    return _of_push(read_push(body), services)


def _of_push(push: Pushed, services: Sequence[Service]) -> Answer:
    if push.after != NO_COMMIT and not COMMIT.fullmatch(push.after):
        raise MalformedError("not a push: after")
    if push.deleted or push.after == NO_COMMIT:
        return Ignored("the branch was deleted")
    if push.branch is None:
        return Ignored("no branch that is promoted")
    ours = [service for service in services if _is_of(push.repository, service)]
    if not ours:
        return Ignored("no service of this repository")
    wanted = [Wanted(one, push.branch, push.after, push.pushed_by) for one in ours if _has_rule(one, push.branch)]
    return wanted or Ignored("no branch that is promoted")


def _of_pull_request(asked: Requested, services: Sequence[Service]) -> Answer:
    """Return the heads to check; code of a fork only at the moment when a maintainer labels it, as it is then."""
    pull_request = asked.pull_request
    if not COMMIT.fullmatch(pull_request.head.sha) or pull_request.head.sha == NO_COMMIT:
        raise MalformedError("not a pull request: pull_request.head.sha")
    if pull_request.state != "open" or asked.action not in {*BEGINNINGS, "labeled"}:
        return Ignored("nothing that is to be checked")
    ours = [service for service in services if _is_of(asked.repository, service)]
    if not ours:
        return Ignored("no service of this repository")
    target = pull_request.base.ref
    aimed = [service for service in ours if BRANCH.fullmatch(target) and _is_first(service, target)]
    if not aimed:
        return Ignored("no branch where changes begin")
    wanted = [
        Check(service, pull_request.number, pull_request.head.sha, target, asked.asked_by)
        for service in aimed
        if _is_allowed(asked, service)
    ]
    return wanted or Ignored("without the label nothing of a fork is run" if asked.is_from_elsewhere else "a label")


def _is_allowed(asked: Requested, service: Service) -> bool:
    """Say whether the code may be run: that of the repository itself always, that of a fork where the label comes just now."""
    if asked.action == "labeled":
        return service.github is not None and asked.label is not None and asked.label.name == service.github.check_label
    return not asked.is_from_elsewhere


def _is_first(service: Service, branch: str) -> bool:
    """Say whether changes of a service begin on a branch: the one of its first rule."""
    return _has_rule(service, branch) and service.rule(branch) == service.branches[0]


def _is_of(told: Repository, service: Service) -> bool:
    """Say whether it is the repository of a service: by its number and by its name, in capitals or not."""
    known = service.github
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
