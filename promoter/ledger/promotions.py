"""Promotions in the ledger: accepted once per push, verified once, ended once."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from psycopg import Connection
from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from promoter.config import BranchRule, Environment, Service
from promoter.errors import LeaseError, LedgerError
from promoter.records import Push

Outcome = Literal["released", "rolled_back", "schema_kept", "frozen", "superseded", "rejected"]

SELECT = """
SELECT promotions.*, pushes.repository, pushes.branch, pushes.commit, pushes.base
FROM promotions JOIN pushes ON pushes.id = promotions.push
"""


@dataclass(frozen=True)
class Promotion:
    """One try to bring a push to where its branch rule says; the configuration is the one it was accepted with."""

    id: UUID
    push: Push
    service: Service
    flow_run: UUID | None
    """The last Prefect flow run of it."""
    driver: str | None
    """Who moves it: a flow run's id, or a process that recovers it."""
    accepted_at: datetime
    verified_at: datetime | None
    """The commit point: before it everything leads back, after it everything leads forward."""
    ended_at: datetime | None
    outcome: Outcome | None
    cause: str | None
    """Why it ended as it did."""
    rollback_to: UUID | None = None
    """The promotion whose release a rollback brings back; None where a push is promoted."""

    @property
    def rule(self) -> BranchRule:
        """The branch rule that holds for the push."""
        return self.service.rule(self.push.branch)

    @property
    def environment_name(self) -> str:
        """The name of the environment that it changes."""
        if self.rule.environment is None:
            raise LedgerError(f"a push to {self.push.branch!r} changes no environment")
        return self.rule.environment

    @property
    def environment(self) -> Environment:
        """The environment that it changes."""
        return self.service.environment(self.environment_name)


def accept(
    connection: Connection[DictRow],
    service: Service,
    push: Push,
    *,
    flow_run: UUID | None = None,
    delivery: str | None = None,
) -> Promotion:
    """Return the promotion of `push`: the one that is under way or released, else a new one.

    A push is known by service, repository, branch and commit; its base is fixed the first time.
    """
    row = connection.execute(
        """
        INSERT INTO pushes (service, repository, branch, commit, base, delivery) VALUES (%s, %s, %s, %s, %s, %s)
        ON CONFLICT (service, repository, branch, commit) DO UPDATE SET service = excluded.service RETURNING id
        """,
        [service.name, push.repository, push.branch, push.commit, push.base, delivery],
    ).fetchone()
    assert row is not None  # noqa: S101 - INSERT … RETURNING always answers
    known = connection.execute(
        SELECT
        + """
        WHERE push = %s AND rollback_to IS NULL AND coalesce(outcome, 'released') = 'released'
        ORDER BY accepted_at DESC LIMIT 1
        """,
        [row["id"]],
    ).fetchone()
    if known is None:
        return _insert(connection, row["id"], service, push.branch, flow_run)
    if flow_run is not None and known["ended_at"] is None:
        connection.execute("UPDATE promotions SET flow_run = %s WHERE id = %s", [flow_run, known["id"]])
    return get(connection, known["id"])


def roll_back(
    connection: Connection[DictRow], service: Service, target: UUID, *, flow_run: UUID | None = None
) -> Promotion:
    """Return the rollback to the release of the promotion `target`: the one that is under way, else a new one."""
    wanted = get(connection, target)
    known = connection.execute(
        "SELECT id FROM promotions WHERE rollback_to = %s AND ended_at IS NULL ORDER BY accepted_at DESC LIMIT 1",
        [target],
    ).fetchone()
    if known is not None:
        connection.execute("UPDATE promotions SET flow_run = %s WHERE id = %s", [flow_run, known["id"]])
        return get(connection, known["id"])
    row = connection.execute(
        """
        INSERT INTO promotions (push, service, configuration, environment, flow_run, rollback_to)
        SELECT push, service, %s, environment, %s, id FROM promotions WHERE id = %s RETURNING id
        """,
        [Jsonb(service.model_dump(mode="json")), flow_run, wanted.id],
    ).fetchone()
    assert row is not None  # noqa: S101 - INSERT … RETURNING always answers
    return get(connection, row["id"])


def get(connection: Connection[DictRow], promotion: UUID) -> Promotion:
    """Return the promotion with this id, or raise LedgerError."""
    row = connection.execute(SELECT + "WHERE promotions.id = %s", [promotion]).fetchone()
    if row is None:
        raise LedgerError(f"the ledger has no promotion {promotion}")
    return _read(row)


def of_flow_run(connection: Connection[DictRow], flow_run: UUID) -> Promotion | None:
    """Return the promotion that this flow run drives, if any."""
    row = connection.execute(SELECT + "WHERE flow_run = %s ORDER BY accepted_at DESC LIMIT 1", [flow_run]).fetchone()
    return None if row is None else _read(row)


def unended(connection: Connection[DictRow]) -> list[Promotion]:
    """Return every promotion that has no outcome yet, the oldest first."""
    rows = connection.execute(SELECT + "WHERE ended_at IS NULL ORDER BY accepted_at").fetchall()
    return [_read(row) for row in rows]


def abandoned(connection: Connection[DictRow]) -> list[Promotion]:
    """Return every promotion that has no outcome and that nobody drives any more, the oldest first."""
    rows = connection.execute(
        SELECT
        + "WHERE ended_at IS NULL AND coalesce(alive_until, '-infinity') < clock_timestamp() ORDER BY accepted_at"
    ).fetchall()
    return [_read(row) for row in rows]


def ended(connection: Connection[DictRow], *, longest: float, shortest: float) -> list[Promotion]:
    """Return the promotions that ended between `longest` and `shortest` seconds ago, the oldest first."""
    rows = connection.execute(
        SELECT
        + """
        WHERE ended_at BETWEEN clock_timestamp() - make_interval(secs => %s) AND clock_timestamp() - make_interval(secs => %s)
        ORDER BY ended_at
        """,
        [longest, shortest],
    ).fetchall()
    return [_read(row) for row in rows]


def released(connection: Connection[DictRow], service: str, environment: str) -> Promotion | None:
    """Return the newest promotion that was verified in this environment, if any."""
    row = connection.execute(
        SELECT
        + "WHERE promotions.service = %s AND environment = %s AND verified_at IS NOT NULL ORDER BY verified_at DESC LIMIT 1",
        [service, environment],
    ).fetchone()
    return None if row is None else _read(row)


def drive(connection: Connection[DictRow], promotion: UUID, driver: str, seconds: float) -> None:
    """Be, or stay, the one who moves `promotion`; `seconds` without a sign of life and another may take over.

    Raises LeaseError (transient) while another driver is alive, or if the promotion has ended.
    """
    row = connection.execute(
        """
        UPDATE promotions SET driver = %(driver)s, alive_until = clock_timestamp() + make_interval(secs => %(seconds)s)
        WHERE id = %(promotion)s AND ended_at IS NULL
          AND (driver IS NULL OR driver = %(driver)s OR alive_until < clock_timestamp()) RETURNING id
        """,
        {"driver": driver, "seconds": seconds, "promotion": promotion},
    ).fetchone()
    if row is None:
        now = get(connection, promotion)
        state = f"has ended ({now.outcome})" if now.ended_at else f"is driven by {now.driver}"
        raise LeaseError(
            f"promotion {promotion} {state}", hint="This process changes nothing.", transient=not now.ended_at
        )


def leave(connection: Connection[DictRow], promotion: UUID, driver: str) -> None:
    """Stop moving the promotion, so that another may at once; one that has ended keeps the name of its last driver."""
    connection.execute(
        "UPDATE promotions SET driver = NULL, alive_until = NULL WHERE id = %s AND driver = %s AND ended_at IS NULL",
        [promotion, driver],
    )


def verify(connection: Connection[DictRow], promotion: UUID) -> None:
    """Write the VERIFIED row, the one commit point; a second time changes nothing."""
    connection.execute(
        "UPDATE promotions SET verified_at = clock_timestamp() WHERE id = %s AND verified_at IS NULL", [promotion]
    )


def end(connection: Connection[DictRow], promotion: UUID, outcome: Outcome, cause: str | None = None) -> bool:
    """End the promotion and give its environment back; False if it had ended before (then nothing changes)."""
    ended = connection.execute(
        """
        UPDATE promotions SET ended_at = clock_timestamp(), outcome = %s, cause = %s
        WHERE id = %s AND ended_at IS NULL RETURNING id
        """,
        [outcome, cause, promotion],
    ).fetchone()
    if ended is not None:
        connection.execute("UPDATE environments SET holder = NULL WHERE holder = %s", [promotion])
    return ended is not None


def _insert(
    connection: Connection[DictRow], push: UUID, service: Service, branch: str, flow_run: UUID | None
) -> Promotion:
    row = connection.execute(
        """
        INSERT INTO promotions (push, service, configuration, environment, flow_run) VALUES (%s, %s, %s, %s, %s)
        RETURNING id
        """,
        [push, service.name, Jsonb(service.model_dump(mode="json")), service.rule(branch).environment, flow_run],
    ).fetchone()
    assert row is not None  # noqa: S101 - INSERT … RETURNING always answers
    return get(connection, row["id"])


def _read(row: dict[str, Any]) -> Promotion:
    return Promotion(
        id=row["id"],
        push=Push(repository=row["repository"], branch=row["branch"], commit=row["commit"], base=row["base"]),
        service=Service.model_validate(row["configuration"]),
        flow_run=row["flow_run"],
        driver=row["driver"],
        accepted_at=row["accepted_at"],
        verified_at=row["verified_at"],
        ended_at=row["ended_at"],
        outcome=row["outcome"],
        cause=row["cause"],
        rollback_to=row["rollback_to"],
    )
