"""What was verified in an environment, and how its schema came to be: the memory that a rollback chooses from."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.rows import DictRow

from promoter.ledger.steps import restore
from promoter.records import Image, Rehearsal, SchemaChange, TaskDefinition, Version

SELECT = """
SELECT promotions.id, verified_at, rollback_to, pushes.commit, found.records
FROM promotions JOIN pushes ON pushes.id = promotions.push
CROSS JOIN LATERAL (
    SELECT jsonb_object_agg(record_type, coalesce(result, intent)) AS records,
        bool_or(record_type = 'SchemaChange' AND undone IN ('undone', 'nothing')) AS back
    FROM steps WHERE promotion = promotions.id AND coalesce(result, intent) IS NOT NULL
) AS found
WHERE promotions.service = %s AND environment = %s
"""


@dataclass(frozen=True)
class Verified:
    """A release that was verified in an environment."""

    promotion: UUID
    version: Version
    image: Image
    definition: str
    """ARN of the task definition that it was verified with."""
    heads: tuple[str, ...]
    """Revisions of the schema that it was verified on, sorted."""
    verified_at: datetime


@dataclass(frozen=True)
class Migrated:
    """A promotion that changed the schema, and was not taken back."""

    tag: str
    commit: str
    change: SchemaChange
    rehearsal: Rehearsal | None


@dataclass(frozen=True)
class Built:
    """What a commit became for an environment, verified there or not."""

    image: Image
    definition: str | None
    """ARN of the task definition with this image; None where it came to none."""


def verified(connection: Connection[DictRow], service: str, environment: str) -> list[Verified]:
    """Return every release that was verified in the environment, rollbacks aside, the newest first."""
    query = SELECT + "AND verified_at IS NOT NULL AND rollback_to IS NULL ORDER BY verified_at DESC"
    return [_verified(row) for row in connection.execute(query, [service, environment]).fetchall()]


def timeline(connection: Connection[DictRow], service: str, environment: str) -> list[UUID]:
    """Return the promotions whose releases ran in the environment one after the other, the newest first.

    A rollback stands there as the promotion whose release it brought back.
    """
    rows = connection.execute(
        """
        SELECT coalesce(rollback_to, id) AS id FROM promotions
        WHERE service = %s AND environment = %s AND verified_at IS NOT NULL ORDER BY verified_at DESC
        """,
        [service, environment],
    )
    return [row["id"] for row in rows]


def migrated(connection: Connection[DictRow], service: str, environment: str) -> list[Migrated]:
    """Return the promotions that changed the environment's schema and were not taken back, the newest first."""
    query = (
        SELECT
        + "AND rollback_to IS NULL AND records ? 'SchemaChange' AND NOT coalesce(back, false) ORDER BY accepted_at DESC"
    )
    found = [_migrated(row["commit"], row["records"]) for row in connection.execute(query, [service, environment])]
    return [one for one in found if one.change.before != one.change.after]


def built(connection: Connection[DictRow], service: str, environment: str, commit: str) -> Built | None:
    """Return the image of `commit` that was published for the environment last, None where there is none."""
    query = SELECT + "AND pushes.commit = %s AND records ? 'Image' ORDER BY accepted_at DESC LIMIT 1"
    row = connection.execute(query, [service, environment, commit]).fetchone()
    if row is None:
        return None
    records = row["records"]
    definition = _restore(records, TaskDefinition).after if TaskDefinition.__name__ in records else None
    return Built(_restore(records, Image), definition)


def _verified(row: Mapping[str, Any]) -> Verified:
    records = row["records"]
    definition, change = _restore(records, TaskDefinition), _restore(records, SchemaChange)
    return Verified(
        row["id"],
        _restore(records, Version),
        _restore(records, Image),
        definition.after,
        change.after,
        row["verified_at"],
    )


def _migrated(commit: str, records: Mapping[str, Any]) -> Migrated:
    rehearsal = _restore(records, Rehearsal) if Rehearsal.__name__ in records else None
    return Migrated(_restore(records, Version).tag, commit, _restore(records, SchemaChange), rehearsal)


def _restore(records: Mapping[str, Any], kind: type[Any]) -> Any:  # noqa: ANN401 - an instance of `kind`
    return restore(kind.__name__, records[kind.__name__])
