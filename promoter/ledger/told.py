"""What GitHub was told last, under which of its numbers, and for how long it wants to be left alone.

The intent is written before GitHub is asked for anything that it numbers: whoever comes after a crash looks for it there first.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.rows import DictRow

from promoter.discretion import discreet
from promoter.ledger.connection import connect
from promoter.settings import Settings

WELL_AFTER = 300.0
"""Seconds until what GitHub refused for good is tried again: somebody may have given its token a permission."""
PATIENCE = 30
"""Seconds to wait for another who tells of the same repository; then it is left for later."""


@dataclass(frozen=True)
class Told:
    """One thing that GitHub was told, or was about to be."""

    key: str
    promotion: UUID | None
    accepted_at: datetime
    """When what it comes from was accepted: of two that share a key the later one stands."""
    fingerprint: str | None
    """Of what was told; None until GitHub took it."""
    number: int | None
    """GitHub's own."""
    is_refused: bool
    """Whether GitHub refused it for good, a short time ago."""


@contextmanager
def alone(repository: str, settings: Settings) -> Iterator[None]:
    """Be the only one who tells of `repository` while the block runs, on any machine; raise LedgerError (transient) if another is long at it.

    GitHub asks for one request after the other too,
    https://docs.github.com/rest/using-the-rest-api/best-practices-for-using-the-rest-api.
    """
    with connect(settings) as ledger:
        ledger.execute(f"SET LOCAL lock_timeout = '{PATIENCE}s'")
        ledger.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"GitHub of {repository}"])
        yield


def known(connection: Connection[DictRow], repository: str, keys: list[str]) -> Mapping[str, Told]:
    """Return what is on record under each of `keys`."""
    rows = connection.execute(
        """
        SELECT *, coalesce(state = 'refused' AND told_at > clock_timestamp() - make_interval(secs => %s), false) AS is_refused
        FROM told WHERE repository = %s AND key = ANY(%s)
        """,
        [WELL_AFTER, repository, keys],
    )
    return {row["key"]: _read(row) for row in rows}


def begin(
    connection: Connection[DictRow], repository: str, key: str, *, promotion: UUID | None, accepted_at: datetime
) -> None:
    """Write that something is about to be told."""
    connection.execute(
        """
        INSERT INTO told (repository, key, promotion, accepted_at) VALUES (%s, %s, %s, %s)
        ON CONFLICT (repository, key) DO UPDATE SET promotion = excluded.promotion, accepted_at = excluded.accepted_at
        """,
        [repository, key, promotion, accepted_at],
    )


def finish(
    connection: Connection[DictRow], repository: str, key: str, *, fingerprint: str, state: str, number: int | None
) -> None:
    """Write that it was told, as GitHub's `number`."""
    connection.execute(
        """
        UPDATE told SET fingerprint = %s, state = %s, number = %s, told_at = clock_timestamp() WHERE repository = %s AND key = %s
        """,
        [fingerprint, state, number, repository, key],
    )


def refuse(connection: Connection[DictRow], repository: str, key: str) -> None:
    """Write that GitHub refuses it, so that it is left alone for a while."""
    connection.execute(
        "UPDATE told SET state = 'refused', told_at = clock_timestamp() WHERE repository = %s AND key = %s",
        [repository, key],
    )


def followed(connection: Connection[DictRow], repository: str, promotion: UUID) -> list[UUID]:
    """Return the promotions whose Deployments GitHub takes for active where that of `promotion` followed them."""
    rows = connection.execute(
        """
        SELECT earlier.id FROM promotions AS earlier JOIN told ON told.promotion = earlier.id
        JOIN promotions AS later ON (later.service, later.environment) = (earlier.service, earlier.environment)
        WHERE later.id = %s AND earlier.verified_at < later.verified_at
          AND told.repository = %s AND key = 'deployment ' || earlier.id AND (state = 'success' OR state = 'refused' AND number IS NOT NULL)
        ORDER BY earlier.verified_at
        """,
        [promotion, repository],
    ).fetchall()
    return [row["id"] for row in rows]


def rest(connection: Connection[DictRow], repository: str, seconds: float, reason: str) -> None:
    """Let nobody tell GitHub anything of `repository` for a while."""
    connection.execute(
        """
        INSERT INTO rests (repository, until, reason) VALUES (%s, clock_timestamp() + make_interval(secs => %s), %s)
        ON CONFLICT (repository) DO UPDATE SET until = excluded.until, reason = excluded.reason
        """,
        [repository, seconds, discreet(reason)],
    )


def resting(connection: Connection[DictRow], repository: str) -> str | None:
    """Return why GitHub is told nothing of `repository` now; None where it may be."""
    row = connection.execute(
        "SELECT reason FROM rests WHERE repository = %s AND until > clock_timestamp()", [repository]
    ).fetchone()
    return None if row is None else str(row["reason"])


def _read(row: dict[str, Any]) -> Told:
    return Told(**{name: row[name] for name in Told.__dataclass_fields__})
