"""Pushes that arrived: noted once each, by their delivery or their commit, until a flow takes them up.

A push that a flow has taken up has a row in `pushes`, written by the same transaction that accepts its promotion: that row, not a
mark of ours, says that it was started. So whoever notes, tries and looks here may die at any moment.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.rows import DictRow

PATIENCE = 60.0
"""Seconds after which a push that was tried and not taken up is tried again; twice as many after each try, up to an hour."""

BEFORE = "was there before the first look"
"""Why a push is not started that was on the remote when Promoter came."""

UNSTARTED = """
FROM arrivals WHERE dropped IS NULL AND NOT EXISTS (
    SELECT FROM pushes WHERE (pushes.service, pushes.repository, pushes.branch, pushes.commit)
      = (arrivals.service, arrivals.repository, arrivals.branch, arrivals.commit)
)
"""
RIPE = """
(tried_at IS NULL OR tried_at + make_interval(secs => least(%(patience)s * 2 ^ least(tries - 1, 9), 3600)) < clock_timestamp())
"""


@dataclass(frozen=True)
class Arrival:
    """One push as it is noted."""

    id: UUID
    service: str
    repository: str
    """URL of the remote, as the service's file has it."""
    branch: str
    commit: str
    delivery: str | None
    """The name of the webhook's delivery; None where somebody looked."""
    pushed_by: str
    arrived_at: datetime
    tries: int
    """How often a flow was started for it."""
    dropped: str | None
    """Why no flow is started for it; None where one is, or was."""


def note(
    connection: Connection[DictRow],
    *,
    service: str,
    repository: str,
    branch: str,
    commit: str,
    delivery: str | None = None,
    pushed_by: str,
    dropped: str | None = None,
) -> tuple[Arrival, bool]:
    """Note a push if it is new; return what is on record, and whether it is new.

    A delivery that came before is the push that it was, whatever it says now.
    """
    values = {name: value for name, value in locals().items() if name != "connection"}
    inserted = connection.execute(
        """
        INSERT INTO arrivals (service, repository, branch, commit, delivery, pushed_by, dropped)
        VALUES (%(service)s, %(repository)s, %(branch)s, %(commit)s, %(delivery)s, %(pushed_by)s, %(dropped)s)
        ON CONFLICT DO NOTHING RETURNING *
        """,
        values,
    ).fetchone()
    if inserted is not None:
        return _read(inserted), True
    row = connection.execute(
        """
        SELECT * FROM arrivals WHERE service = %(service)s
          AND (delivery = %(delivery)s OR (repository, branch, commit) = (%(repository)s, %(branch)s, %(commit)s))
        ORDER BY delivery = %(delivery)s DESC NULLS LAST LIMIT 1
        """,
        values,
    ).fetchone()
    assert row is not None  # noqa: S101 - it was in the way of the insertion
    return _read(row), False


def find(connection: Connection[DictRow], service: str, repository: str, branch: str, commit: str) -> Arrival | None:
    """Return the arrival of a push, None where it did not arrive by itself."""
    row = connection.execute(
        "SELECT * FROM arrivals WHERE (service, repository, branch, commit) = (%s, %s, %s, %s)",
        [service, repository, branch, commit],
    ).fetchone()
    return None if row is None else _read(row)


def unstarted(connection: Connection[DictRow], service: str) -> list[Arrival]:
    """Return the pushes of a service for which no flow began yet, the oldest first."""
    rows = connection.execute(
        f"SELECT * {UNSTARTED} AND service = %s ORDER BY arrived_at",
        [service],
    ).fetchall()
    return [_read(row) for row in rows]


def is_promoted(connection: Connection[DictRow], service: str, repository: str, branch: str, commit: str) -> bool:
    """Say whether a flow has taken a push up, whoever asked for it."""
    row = connection.execute(
        "SELECT FROM pushes WHERE (service, repository, branch, commit) = (%s, %s, %s, %s)",
        [service, repository, branch, commit],
    ).fetchone()
    return row is not None


def was_looked_at(connection: Connection[DictRow], service: str) -> bool:
    """Say whether somebody looked at the remote before; webhooks, and what a person promoted, may have come earlier than the first look."""
    row = connection.execute(
        "SELECT FROM arrivals WHERE service = %s AND dropped = %s LIMIT 1", [service, BEFORE]
    ).fetchone()
    return row is not None


def take(connection: Connection[DictRow], arrival: UUID, patience: float = PATIENCE) -> int | None:
    """Take the next try to start a flow for a push and return its number; None where it is started, or another tries just now."""
    row = connection.execute(
        f"""
        UPDATE arrivals SET tried_at = clock_timestamp(), tries = tries + 1
        WHERE id IN (SELECT id {UNSTARTED} AND id = %(arrival)s) AND {RIPE} RETURNING tries
        """,  # noqa: S608 - our own text
        {"arrival": arrival, "patience": patience},
    ).fetchone()
    return None if row is None else int(row["tries"])


def give_back(connection: Connection[DictRow], arrival: UUID) -> None:
    """Give a try back of which no flow is known to have come: the next one need not wait, and has the same number."""
    connection.execute("UPDATE arrivals SET tried_at = NULL, tries = tries - 1 WHERE id = %s AND tries > 0", [arrival])


def drop(connection: Connection[DictRow], arrival: UUID, reason: str) -> None:
    """Start no flow for this push any more."""
    connection.execute("UPDATE arrivals SET dropped = %s WHERE id = %s AND dropped IS NULL", [reason, arrival])


def revive(connection: Connection[DictRow], arrival: UUID) -> None:
    """Start a flow for a dropped push after all."""
    connection.execute("UPDATE arrivals SET dropped = NULL, tried_at = NULL WHERE id = %s", [arrival])


def _read(row: dict[str, Any]) -> Arrival:
    return Arrival(**{name: row[name] for name in Arrival.__dataclass_fields__})
