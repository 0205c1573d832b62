"""The steps of a promotion: the intent is written before the world is changed, the result after."""

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.rows import DictRow
from psycopg.types.json import Jsonb
from pydantic import TypeAdapter

from promoter import records
from promoter.discretion import discreet


@dataclass(frozen=True)
class Step:
    """One stage of one promotion, as far as it came."""

    stage: str
    record_type: str
    """The name of its record's class in `promoter.records`."""
    intent: Any
    """What is about to change; None where the stage changes nothing outside."""
    result: Any
    """What was done; None until it is done."""
    error: str | None
    """What went wrong in its last try."""
    started_at: datetime
    finished_at: datetime | None
    undone: str | None
    """How it was taken back; None if it was not."""


def of(connection: Connection[DictRow], promotion: UUID) -> list[Step]:
    """Return the steps of a promotion, the oldest first."""
    rows = connection.execute("SELECT * FROM steps WHERE promotion = %s ORDER BY started_at", [promotion]).fetchall()
    return [_read(row) for row in rows]


def find(connection: Connection[DictRow], promotion: UUID, stage: str) -> Step | None:
    """Return one step, if it was begun."""
    row = connection.execute("SELECT * FROM steps WHERE promotion = %s AND stage = %s", [promotion, stage]).fetchone()
    return None if row is None else _read(row)


def begin(connection: Connection[DictRow], promotion: UUID, stage: str, record_type: str) -> None:
    """Note that a stage begins, or begins again."""
    connection.execute(
        """
        INSERT INTO steps (promotion, stage, record_type) VALUES (%s, %s, %s)
        ON CONFLICT (promotion, stage) DO UPDATE SET error = NULL
        """,
        [promotion, stage, record_type],
    )


def intend(connection: Connection[DictRow], promotion: UUID, stage: str, intent: object) -> object:
    """Write what is about to change and return the intent on record: the first one written stands.

    So a second try never takes a half-changed world for the state before.
    """
    row = connection.execute(
        """
        UPDATE steps SET intent = coalesce(intent, %s) WHERE promotion = %s AND stage = %s RETURNING record_type, intent
        """,
        [Jsonb(dump(intent)), promotion, stage],
    ).fetchone()
    assert row is not None  # noqa: S101 - `begin` wrote the row
    return restore(row["record_type"], row["intent"])


def finish(connection: Connection[DictRow], promotion: UUID, stage: str, result: object) -> None:
    """Write what was done."""
    connection.execute(
        """
        UPDATE steps SET result = %s, error = NULL, finished_at = clock_timestamp() WHERE promotion = %s AND stage = %s
        """,
        [Jsonb(dump(result)), promotion, stage],
    )


def fail(connection: Connection[DictRow], promotion: UUID, stage: str, error: str) -> None:
    """Write what went wrong, without the secrets of this process."""
    connection.execute(
        "UPDATE steps SET error = %s, finished_at = clock_timestamp() WHERE promotion = %s AND stage = %s",
        [discreet(error), promotion, stage],
    )


def undo(connection: Connection[DictRow], promotion: UUID, stage: str, how: str) -> None:
    """Write how a step was taken back."""
    connection.execute("UPDATE steps SET undone = %s WHERE promotion = %s AND stage = %s", [how, promotion, stage])


def dump(record: object) -> object:
    """Return a record as JSON's own types."""
    return _adapter(type(record).__name__).dump_python(record, mode="json")


def restore(record_type: str, value: object) -> object:
    """Return the record that `dump` gave away."""
    return _adapter(record_type).validate_python(value)


@cache
def _adapter(record_type: str) -> TypeAdapter[Any]:
    """Return what reads and writes one kind of record; making it takes longer than a transaction."""
    return TypeAdapter(getattr(records, record_type))


def _read(row: dict[str, Any]) -> Step:
    name = row["record_type"]
    return Step(
        stage=row["stage"],
        record_type=name,
        intent=None if row["intent"] is None else restore(name, row["intent"]),
        result=None if row["result"] is None else restore(name, row["result"]),
        error=row["error"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        undone=row["undone"],
    )
