"""What the last look at each environment found, and which release is doubted since."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from psycopg import Connection
from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from promoter.discretion import discreet
from promoter.ledger import promotions, steps
from promoter.records import SchemaChange
from promoter.verification import Expectation, Finding, expectation, is_trusted


@dataclass(frozen=True)
class Doubt:
    """A release that is not well, or not what was released."""

    commit: str
    since: datetime
    findings: tuple[Finding, ...]

    @property
    def reason(self) -> str:
        """What is wrong, in one line."""
        return "; ".join(one.what for one in self.findings if one.kind != "unseen")


def expected(connection: Connection[DictRow], service: str, environment: str) -> Expectation | None:
    """Return what the environment has to run; None where nothing was released there."""
    released = promotions.released(connection, service, environment)
    if released is None:
        return None
    kept = _kept(connection, service, environment, released.verified_at)
    return expectation(released, steps.of(connection, released.id), kept)


def is_moving(connection: Connection[DictRow], service: str, environment: str) -> bool:
    """Say whether somebody holds the environment, or brings a verified release to its end: it need not be whole now."""
    row = connection.execute(
        """
        SELECT EXISTS (SELECT 1 FROM environments WHERE service = %(service)s AND environment = %(name)s AND holder IS NOT NULL)
            OR EXISTS (
                SELECT 1 FROM promotions
                WHERE service = %(service)s AND environment = %(name)s AND verified_at IS NOT NULL AND ended_at IS NULL
            ) AS moving
        """,
        {"service": service, "name": environment},
    ).fetchone()
    return row is not None and bool(row["moving"])


def note(
    connection: Connection[DictRow], service: str, environment: str, promotion: UUID | None, findings: Sequence[Finding]
) -> bool:
    """Write what a look found; return whether that is another answer than the last look's to the question whether all is well."""
    before = connection.execute(
        "SELECT unwell_since FROM verifications WHERE service = %s AND environment = %s FOR UPDATE",
        [service, environment],
    ).fetchone()
    trusted = is_trusted(findings)
    connection.execute(
        """
        INSERT INTO verifications AS known (service, environment, promotion, unwell_since, findings)
        VALUES (%s, %s, %s, CASE WHEN %s THEN NULL ELSE clock_timestamp() END, %s)
        ON CONFLICT (service, environment) DO UPDATE SET
            promotion = excluded.promotion, looked_at = clock_timestamp(), findings = excluded.findings,
            unwell_since = CASE WHEN known.promotion IS NOT DISTINCT FROM excluded.promotion AND excluded.unwell_since IS NOT NULL
                THEN coalesce(known.unwell_since, excluded.unwell_since) ELSE excluded.unwell_since END
        """,
        [service, environment, promotion, trusted, Jsonb([_discreet(one) for one in findings])],
    )
    was_trusted = before is None or before["unwell_since"] is None
    return trusted != was_trusted


def doubt(connection: Connection[DictRow], service: str, environment: str) -> Doubt | None:
    """Return why the release that runs in the environment may not be promoted further; None where it may.

    A release that was verified since the last look is not the one that was looked at.
    """
    released = promotions.released(connection, service, environment)
    row = connection.execute(
        "SELECT * FROM verifications WHERE service = %s AND environment = %s AND unwell_since IS NOT NULL",
        [service, environment],
    ).fetchone()
    if released is None or row is None or row["promotion"] != released.id:
        return None
    return Doubt(released.push.commit, row["unwell_since"], tuple(Finding(**one) for one in row["findings"]))


def _kept(
    connection: Connection[DictRow], service: str, environment: str, since: datetime | None
) -> SchemaChange | None:
    """Return the last change of the schema that a promotion without a release left behind after `since`."""
    row = connection.execute(
        """
        SELECT coalesce(result, intent) AS record FROM steps JOIN promotions ON promotions.id = promotion
        WHERE service = %s AND environment = %s AND record_type = 'SchemaChange' AND outcome = 'schema_kept' AND ended_at > %s
        ORDER BY ended_at DESC LIMIT 1
        """,
        [service, environment, since],
    ).fetchone()
    return None if row is None else cast("SchemaChange", steps.restore("SchemaChange", row["record"]))


def _discreet(finding: Finding) -> Mapping[str, Any]:
    return {**asdict(finding), "what": discreet(finding.what)}
