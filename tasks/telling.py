"""Tells GitHub what the ledger says of a promotion and GitHub does not show yet; told again, it says nothing.

One tells at a time of each repository, and what is told is read from the ledger while nobody else tells: so an older state never
comes after a newer one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from prefect.utilities.urls import url_for
from psycopg import Connection
from psycopg.rows import DictRow

from promoter.errors import BusyError, GitHubError
from promoter.github import Credentials, Notice, credentials, fingerprint, of_promotion
from promoter.ledger import promotions, steps, told
from promoter.ledger.connection import connect
from promoter.ledger.promotions import Promotion
from promoter.ledger.told import Told
from promoter.settings import Settings

WELL_AFTER = 300.0
"""Seconds until what GitHub refused for good is tried again: somebody may have given its token a permission."""


class Shows(Protocol):
    """GitHub as it is told."""

    def show(self, notice: Notice, number: int | None, *, again: bool) -> int | None:
        """Show one notice; see `promoter.github.client.Client`."""


Reach = Callable[[str, Credentials], Shows]
"""Gives the client of one repository."""


@dataclass(frozen=True)
class Matter:
    """One promotion, and a notice of it."""

    notice: Notice
    promotion: Promotion


def reach(repository: str, known: Credentials) -> Shows:
    """Return the client of a repository; PyGithub is imported only here, where something is told."""
    from promoter.github.client import Client  # noqa: PLC0415 - see above

    return Client(repository, known)


def tell(promotion_id: UUID, settings: Settings, reach: Reach = reach) -> None:
    """Bring GitHub up to what the ledger says of a promotion.

    Raises GitHubError where something is left for later, and LedgerError. Where GitHub wants to be left alone, everything is.
    """
    known = credentials(settings)
    with connect(settings) as ledger:
        github = promotions.get(ledger, promotion_id).service.github
    if known is None or github is None:
        return
    with told.alone(github.repository, settings):
        with connect(settings) as ledger:
            if told.resting(ledger, github.repository) is not None:
                return
            matters = _matters(ledger, promotion_id, github.repository)
            left = _left(ledger, github.repository, matters)
        if left:
            _tell(left, reach(github.repository, known), github.repository, settings)
        if matters[0].promotion.ended_at is not None:
            with connect(settings) as ledger:
                promotions.shown(ledger, promotion_id)


def _matters(ledger: Connection[DictRow], promotion_id: UUID, repository: str) -> list[Matter]:
    """Return all that GitHub ought to show of a promotion, and of those whose Deployment is active there although this one followed."""
    found = []
    for one in [promotion_id, *told.followed(ledger, repository, promotion_id)]:
        promotion, link = promotions.get(ledger, one), None
        if promotion.flow_run is not None:
            link = url_for("flow-run", obj_id=promotion.flow_run)
        notices = of_promotion(promotion, steps.of(ledger, one), is_current=_is_current(ledger, promotion), link=link)
        found += [Matter(notice, promotion) for notice in notices]
    return found


def _is_current(ledger: Connection[DictRow], promotion: Promotion) -> bool:
    """Say whether it is the last that was verified in its environment."""
    if promotion.verified_at is None:
        return False
    last = promotions.released(ledger, promotion.service.name, promotion.environment_name)
    return last is not None and last.id == promotion.id


def _left(ledger: Connection[DictRow], repository: str, matters: Sequence[Matter]) -> list[tuple[Matter, Told | None]]:
    """Return what GitHub does not show yet, with what it showed instead; what a later promotion said there stays."""
    before = told.known(ledger, repository, [one.notice.key for one in matters])
    return [(one, before.get(one.notice.key)) for one in matters if _is_news(one, before.get(one.notice.key))]


def _is_news(matter: Matter, before: Told | None) -> bool:
    if before is None:
        return True
    return matter.promotion.accepted_at >= before.accepted_at and fingerprint(matter.notice) != before.fingerprint


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
            refusals.append(error)
    if refusals:
        _rest(repository, WELL_AFTER, refusals[0].message, settings)
        raise refusals[0]


def _tell_one(matter: Matter, before: Told | None, github: Shows, repository: str, settings: Settings) -> None:
    notice, promotion = matter.notice, matter.promotion
    with connect(settings) as ledger:
        told.begin(ledger, repository, notice.key, promotion=promotion.id, accepted_at=promotion.accepted_at)
    number = github.show(notice, None if before is None else before.number, again=before is not None)
    with connect(settings) as ledger:
        told.finish(ledger, repository, notice.key, fingerprint=fingerprint(notice), state=notice.state, number=number)


def _rest(repository: str, seconds: float, reason: str, settings: Settings) -> None:
    with connect(settings) as ledger:
        told.rest(ledger, repository, seconds, reason)
