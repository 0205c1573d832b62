"""Tells GitHub what the ledger says and GitHub does not show yet; told again, it says nothing.

One tells at a time of each repository, and what is told is read from the ledger while nobody else tells: so an older state never
comes after a newer one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Literal, Protocol
from uuid import UUID

from prefect.utilities.urls import url_for
from psycopg import Connection
from psycopg.rows import DictRow

from promoter import config
from promoter.errors import BusyError, GitHubError
from promoter.github import Credentials, Notice, credentials, fingerprint, of_change, of_promotion
from promoter.ledger import changes, promotions, steps, told
from promoter.ledger.connection import connect
from promoter.ledger.promotions import Promotion
from promoter.ledger.told import Told
from promoter.settings import Settings


class Shows(Protocol):
    """GitHub as it is told."""

    def show(self, notice: Notice, number: int | None, *, again: bool) -> int | None:
        """Show one notice; see `promoter.github.client.Client`."""


Reach = Callable[[str, Credentials], Shows]
"""Gives the client of one repository."""


@dataclass(frozen=True)
class Subject:
    """Something that GitHub is told of."""

    kind: Literal["promotion", "check"]
    """A promotion, or the check of a pull request."""
    id: UUID


@dataclass(frozen=True)
class Matter:
    """A notice, and what it comes from."""

    notice: Notice
    accepted_at: datetime
    """When that was accepted, or arrived: of two the later one stands."""
    promotion: UUID | None = None


@cache
def reach(repository: str, known: Credentials) -> Shows:
    """Return the client of a repository, one for all that is told; PyGithub is imported only here, where something is."""
    from promoter.github.client import Client  # noqa: PLC0415 - see above

    return Client(repository, known)


def tell(subject: Subject, settings: Settings, reach: Reach = reach) -> None:
    """Bring GitHub up to what the ledger says of a promotion, or of the check of a pull request.

    Raises GitHubError where something is left for later, and LedgerError. Where GitHub wants to be left alone, everything is.
    """
    known = credentials(settings)
    with connect(settings) as ledger:
        repository = _repository(ledger, subject, settings)
    if known is None or repository is None:
        return
    with told.alone(repository, settings):
        with connect(settings) as ledger:
            if told.resting(ledger, repository) is not None:
                return
            matters, is_over = _matters(ledger, subject, repository)
            before = told.known(ledger, repository, [one.notice.key for one in matters])
        left = [(one, before.get(one.notice.key)) for one in matters if _is_news(one, before.get(one.notice.key))]
        if left:
            _tell(left, reach(repository, known), repository, settings)
        if is_over and not any(one.is_refused for one in before.values()):
            with connect(settings) as ledger:
                {"promotion": promotions, "check": changes}[subject.kind].shown(ledger, subject.id)


def _repository(ledger: Connection[DictRow], subject: Subject, settings: Settings) -> str | None:
    """Return the repository of something as GitHub calls it; None where its service is not there."""
    if subject.kind == "promotion":
        service = promotions.get(ledger, subject.id).service
    else:
        service = config.find(changes.get(ledger, subject.id).service, settings.services)
    return None if service.github is None else service.github.repository


def _matters(ledger: Connection[DictRow], subject: Subject, repository: str) -> tuple[list[Matter], bool]:
    """Return all that GitHub ought to show, and whether that is the end of it."""
    if subject.kind == "check":
        asked = changes.get(ledger, subject.id)
        notices = of_change(asked, link=_link(asked.flow_run))
        return [Matter(one, asked.arrived_at) for one in notices], asked.state is not None
    promotion = promotions.get(ledger, subject.id)
    followed = [promotions.get(ledger, one) for one in told.followed(ledger, repository, subject.id)]
    found = [matter for one in [promotion, *followed] for matter in _of_promotion(ledger, one)]
    return found, promotion.ended_at is not None


def _of_promotion(ledger: Connection[DictRow], promotion: Promotion) -> list[Matter]:
    """Return all that GitHub ought to show of a promotion."""
    current, link = _is_current(ledger, promotion), _link(promotion.flow_run)
    notices = of_promotion(promotion, steps.of(ledger, promotion.id), is_current=current, link=link)
    return [Matter(one, promotion.accepted_at, promotion.id) for one in notices]


def _link(flow_run: UUID | None) -> str | None:
    """Return where Prefect shows a run, None where that is not known."""
    return None if flow_run is None else url_for("flow-run", obj_id=flow_run)


def _is_current(ledger: Connection[DictRow], promotion: Promotion) -> bool:
    """Say whether it is the last that was verified in its environment."""
    if promotion.verified_at is None:
        return False
    last = promotions.released(ledger, promotion.service.name, promotion.environment_name)
    return last is not None and last.id == promotion.id


def _is_news(matter: Matter, before: Told | None) -> bool:
    """Say whether GitHub does not show it yet, and may; what a later promotion said there stays."""
    if before is None:
        return True
    return (
        not before.is_refused
        and matter.accepted_at >= before.accepted_at
        and fingerprint(matter.notice) != before.fingerprint
    )


def _tell(left: Sequence[tuple[Matter, Told | None]], github: Shows, repository: str, settings: Settings) -> None:
    """Tell all of it; what GitHub refuses keeps nothing else waiting. Raises GitHubError where it did, or does not answer."""
    refusals = []
    for matter, before in left:
        try:
            _tell_one(matter, before, github, repository, settings)
        except GitHubError as error:
            if isinstance(error, BusyError):
                _rest(repository, error.seconds, str(error), settings)
            if error.transient:
                raise
            with connect(settings) as ledger:
                told.refuse(ledger, repository, matter.notice.key)
            refusals.append(error)
    if refusals:
        raise refusals[0]


def _tell_one(matter: Matter, before: Told | None, github: Shows, repository: str, settings: Settings) -> None:
    notice = matter.notice
    with connect(settings) as ledger:
        told.begin(ledger, repository, notice.key, promotion=matter.promotion, accepted_at=matter.accepted_at)
    number = github.show(notice, None if before is None else before.number, again=before is not None)
    with connect(settings) as ledger:
        told.finish(ledger, repository, notice.key, fingerprint=fingerprint(notice), state=notice.state, number=number)


def _rest(repository: str, seconds: float, reason: str, settings: Settings) -> None:
    with connect(settings) as ledger:
        told.rest(ledger, repository, seconds, reason)
