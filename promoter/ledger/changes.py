"""Pull requests of which somebody told us, head by head: noted once each, checked, and what the check found.

A head whose check has begun says so itself, so whoever notes, tries and looks here may die at any moment.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from psycopg import Connection
from psycopg.rows import DictRow

from promoter.discretion import discreet
from promoter.ledger.arrivals import PATIENCE, RIPE

Found = Literal["success", "failure", "error"]
"""How a check ended: it passed, it failed, or it came to no end of its own."""
NOBODY = "Prefect"
"""Who asked where no webhook did."""


@dataclass(frozen=True)
class Asked:
    """One head of one pull request."""

    id: UUID
    service: str
    repository: str
    """URL of the remote, as the service's file has it."""
    number: int
    """The pull request's."""
    commit: str
    target: str
    """The branch that it is to be merged into."""
    asked_by: str
    arrived_at: datetime
    tries: int
    """How often a flow was started for it."""
    flow_run: UUID | None
    begun_at: datetime | None
    state: Found | None
    """None until the check has ended."""
    title: str | None
    """`check pull/7 1a2b3c4: v1.0.4-dev`, once that is known."""
    report: str | None
    """What was found, in markdown."""


def note(
    connection: Connection[DictRow],
    *,
    service: str,
    repository: str,
    number: int,
    commit: str,
    target: str,
    delivery: str | None = None,
    asked_by: str = NOBODY,
) -> tuple[Asked, bool]:
    """Note a head if it is new; return what is on record, and whether it is new.

    A delivery that came before is the head that it was, whatever it says now.
    """
    values = {name: value for name, value in locals().items() if name != "connection"}
    inserted = connection.execute(
        """
        INSERT INTO changes (service, repository, number, commit, target, delivery, asked_by)
        VALUES (%(service)s, %(repository)s, %(number)s, %(commit)s, %(target)s, %(delivery)s, %(asked_by)s)
        ON CONFLICT DO NOTHING RETURNING *
        """,
        values,
    ).fetchone()
    if inserted is not None:
        return _read(inserted), True
    row = connection.execute(
        """
        SELECT * FROM changes WHERE service = %(service)s
          AND (delivery = %(delivery)s OR (number, commit) = (%(number)s, %(commit)s))
        ORDER BY delivery = %(delivery)s DESC NULLS LAST LIMIT 1
        """,
        values,
    ).fetchone()
    assert row is not None  # noqa: S101 - it was in the way of the insertion
    return _read(row), False


def get(connection: Connection[DictRow], asked: UUID) -> Asked:
    """Return one by its id."""
    row = connection.execute("SELECT * FROM changes WHERE id = %s", [asked]).fetchone()
    assert row is not None  # noqa: S101 - nobody deletes one
    return _read(row)


def take(connection: Connection[DictRow], asked: UUID, patience: float = PATIENCE) -> int | None:
    """Take the next try to start a check and return its number; None where it has begun, or another tries just now."""
    row = connection.execute(
        f"""
        UPDATE changes SET tried_at = clock_timestamp(), tries = tries + 1
        WHERE id = %(asked)s AND begun_at IS NULL AND {RIPE} RETURNING tries
        """,  # noqa: S608 - our own text
        {"asked": asked, "patience": patience},
    ).fetchone()
    return None if row is None else int(row["tries"])


def give_back(connection: Connection[DictRow], asked: UUID) -> None:
    """Give a try back of which no flow is known to have come."""
    connection.execute("UPDATE changes SET tried_at = NULL, tries = tries - 1 WHERE id = %s AND tries > 0", [asked])


def unstarted(connection: Connection[DictRow], service: str) -> list[Asked]:
    """Return the heads of a service whose checks did not begin, of each pull request the newest; the oldest first."""
    rows = connection.execute(
        """
        SELECT * FROM (
            SELECT DISTINCT ON (number) * FROM changes WHERE service = %s ORDER BY number, arrived_at DESC
        ) AS newest WHERE begun_at IS NULL ORDER BY arrived_at
        """,
        [service],
    ).fetchall()
    return [_read(row) for row in rows]


def begin(connection: Connection[DictRow], asked: UUID, flow_run: UUID | None) -> None:
    """Note that the check begins, or begins again."""
    connection.execute(
        """
        UPDATE changes SET begun_at = clock_timestamp(), flow_run = %s, ended_at = NULL, state = NULL, report = NULL, shown_at = NULL
        WHERE id = %s
        """,
        [flow_run, asked],
    )


def end(connection: Connection[DictRow], asked: UUID, state: Found, title: str, report: str) -> None:
    """Note what the check found; what it found first stands."""
    connection.execute(
        """
        UPDATE changes SET ended_at = clock_timestamp(), state = %s, title = %s, report = %s WHERE id = %s AND state IS NULL
        """,
        [state, discreet(title), discreet(report), asked],
    )


def of_flow_run(connection: Connection[DictRow], flow_run: UUID) -> Asked | None:
    """Return the head that this flow run checks, if any."""
    row = connection.execute("SELECT * FROM changes WHERE flow_run = %s", [flow_run]).fetchone()
    return None if row is None else _read(row)


def unshown(connection: Connection[DictRow], *, longest: float) -> list[Asked]:
    """Return the checks that began less than `longest` seconds ago and whose end GitHub may not show; the oldest first."""
    rows = connection.execute(
        """
        SELECT * FROM changes WHERE shown_at IS NULL AND begun_at > clock_timestamp() - make_interval(secs => %s)
        ORDER BY arrived_at
        """,
        [longest],
    ).fetchall()
    return [_read(row) for row in rows]


def shown(connection: Connection[DictRow], asked: UUID) -> None:
    """Note that GitHub shows how the check ended."""
    connection.execute("UPDATE changes SET shown_at = clock_timestamp() WHERE id = %s", [asked])


def _read(row: dict[str, Any]) -> Asked:
    return Asked(**{name: row[name] for name in Asked.__dataclass_fields__})
