"""Writes down in the ledger what a delivery wants, once, and says what Prefect is to be told of it."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.rows import DictRow

from deployments.gateway.announcement import check_event, event
from deployments.gateway.intake import Check, Wanted
from promoter.ledger import arrivals, changes
from promoter.ledger.tries import Tries


@dataclass(frozen=True)
class Noted:
    """Something that is in the ledger."""

    id: UUID
    service: str
    is_new: bool
    event: dict[str, Any]
    """What Prefect is told."""
    tries: Tries
    """Who keeps account of whether it was started."""


def note(ledger: Connection[DictRow], wanted: Wanted | Check, delivery: str | None) -> Noted:
    """Note what is wanted if it is new; `delivery` is the name of the webhook's delivery."""
    return _push(ledger, wanted, delivery) if isinstance(wanted, Wanted) else _check(ledger, wanted, delivery)


def _push(ledger: Connection[DictRow], wanted: Wanted, delivery: str | None) -> Noted:
    """Note a push; one that the poller saw first, on its first look of all, is a push like any other."""
    arrival, is_new = arrivals.note(
        ledger,
        service=wanted.service.name,
        repository=wanted.service.repository,
        branch=wanted.branch,
        commit=wanted.commit,
        delivery=delivery,
        pushed_by=wanted.pushed_by,
    )
    if arrival.dropped == arrivals.BEFORE:
        arrivals.revive(ledger, arrival.id)
    told = event(arrival, wanted.sentence, datetime.now(UTC))
    return Noted(arrival.id, arrival.service, is_new, told, arrivals)


def _check(ledger: Connection[DictRow], wanted: Check, delivery: str | None) -> Noted:
    asked, is_new = changes.note(
        ledger,
        service=wanted.service.name,
        repository=wanted.service.repository,
        number=wanted.number,
        commit=wanted.commit,
        target=wanted.target,
        delivery=delivery,
        asked_by=wanted.asked_by,
    )
    told = check_event(asked, datetime.now(UTC))
    return Noted(asked.id, asked.service, is_new, told, changes)
