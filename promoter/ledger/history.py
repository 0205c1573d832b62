"""What was promoted to an environment, by whom, and what came of it."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg import Connection
from psycopg.rows import DictRow, class_row

from promoter.ledger.promotions import HELD, Outcome

SELECT = """
SELECT promotions.id AS promotion, versions.tag AS version, pushes.commit, pushes.branch, versions.digest,
    outcome, cause, asked_by AS by, forced, rollback_to, accepted_at AS started, verified_at AS verified, ended_at AS ended
FROM promotions JOIN pushes ON pushes.id = promotions.push
LEFT JOIN versions
    ON (versions.service, versions.branch, versions.commit) = (promotions.service, pushes.branch, pushes.commit)
WHERE promotions.service = %s AND promotions.environment = %s
"""


@dataclass(frozen=True)
class Entry:
    """One promotion to an environment."""

    promotion: UUID
    version: str | None
    """Its tag; None where it ended before it had a number."""
    commit: str
    branch: str
    digest: str | None
    """`sha256:…` of its image; None where none was pushed."""
    outcome: Outcome | None
    """None while it is under way."""
    cause: str | None
    by: str
    forced: bool
    rollback_to: UUID | None
    """The promotion whose release a rollback brings back."""
    started: datetime
    verified: datetime | None
    ended: datetime | None

    @property
    def seconds(self) -> float | None:
        """How long it took; None while it is under way."""
        return None if self.ended is None else (self.ended - self.started).total_seconds()


def of(connection: Connection[DictRow], service: str, environment: str, limit: int) -> list[Entry]:
    """Return the last `limit` promotions to an environment, the newest first."""
    query = SELECT + "ORDER BY accepted_at DESC LIMIT %s"
    with connection.cursor(row_factory=class_row(Entry)) as cursor:
        return cursor.execute(query, [service, environment, limit]).fetchall()


def released(connection: Connection[DictRow], service: str, environment: str) -> Entry | None:
    """Return the last promotion that was verified in an environment."""
    query = SELECT + "AND verified_at IS NOT NULL ORDER BY verified_at DESC LIMIT 1"
    with connection.cursor(row_factory=class_row(Entry)) as cursor:
        return cursor.execute(query, [service, environment]).fetchone()


def held(connection: Connection[DictRow], service: str, environment: str, since: datetime | None) -> Entry | None:
    """Return the last promotion that was taken back from an environment after `since` (None: ever)."""
    query = (
        SELECT
        + """
        AND rollback_to IS NULL AND outcome = ANY(%s) AND ended_at > coalesce(%s, '-infinity'::timestamptz)
        ORDER BY ended_at DESC LIMIT 1
        """
    )
    with connection.cursor(row_factory=class_row(Entry)) as cursor:
        return cursor.execute(query, [service, environment, list(HELD), since]).fetchone()
