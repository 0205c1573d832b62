"""Promotions in the ledger: accepted once per push, verified once, ended once."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from psycopg import Connection
from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from promoter.config import BranchRule, Environment, Service
from promoter.discretion import discreet
from promoter.errors import LeaseError, LedgerError
from promoter.ledger import pushes
from promoter.records import Push

Outcome = Literal["released", "rolled_back", "schema_kept", "frozen", "superseded", "rejected"]
HELD: tuple[Outcome, ...] = ("rolled_back", "schema_kept", "frozen")
"""The outcomes after which a commit is held: it is not promoted again by itself."""
NOBODY = "Prefect"
"""Who asked where no person did."""

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
    by: str = NOBODY
    """Who asked for it."""
    forced: bool = False
    """Whether a person wants it although its commit is held, or is older than what runs."""

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
    by: str | None = None,
    force: bool = False,
) -> Promotion:
    """Return the promotion of `push`: the one that is under way or released, else a new one.

    A push is known by its delivery, and by repository, branch and commit; its base is fixed the first time. `force` begins anew also
    what was released. Until the end of the transaction no other push of the service is accepted.
    """
    connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"promotions of {service.name}"])
    pushed, branch = pushes.note(connection, service.name, push, delivery)
    known = _known(connection, pushed, flow_run, force=force)
    if known is not None:
        return get(connection, known["id"])
    return _insert(connection, pushed, service, branch, flow_run=flow_run, by=by or NOBODY, force=force)


def roll_back(
    connection: Connection[DictRow],
    service: Service,
    target: UUID,
    *,
    flow_run: UUID | None = None,
    by: str | None = None,
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
        INSERT INTO promotions (push, service, configuration, environment, flow_run, asked_by, rollback_to)
        SELECT push, service, %s, environment, %s, %s, id FROM promotions WHERE id = %s RETURNING id
        """,
        [Jsonb(service.model_dump(mode="json")), flow_run, by or NOBODY, wanted.id],
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


def of_push(
    connection: Connection[DictRow], service: str, repository: str, branch: str, commit: str
) -> Promotion | None:
    """Return the newest promotion of a push, whoever asked for it, if any; rollbacks aside."""
    row = connection.execute(
        SELECT
        + """
        WHERE (pushes.service, repository, branch, commit) = (%s, %s, %s, %s) AND rollback_to IS NULL
        ORDER BY accepted_at DESC LIMIT 1
        """,
        [service, repository, branch, commit],
    ).fetchone()
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


def unshown(connection: Connection[DictRow], *, longest: float) -> list[Promotion]:
    """Return the promotions of services on GitHub whose end that may not show: under way, or ended up to `longest` seconds ago; oldest first."""
    rows = connection.execute(
        SELECT
        + """
        WHERE shown_at IS NULL AND configuration ->> 'github' IS NOT NULL AND (ended_at IS NULL OR ended_at > clock_timestamp() - make_interval(secs => %s))
        ORDER BY accepted_at
        """,
        [longest],
    ).fetchall()
    return [_read(row) for row in rows]


def shown(connection: Connection[DictRow], promotion: UUID) -> None:
    """Note that GitHub shows how the promotion ended."""
    connection.execute("UPDATE promotions SET shown_at = clock_timestamp() WHERE id = %s", [promotion])


def waiting(connection: Connection[DictRow], service: str, environment: str) -> list[Promotion]:
    """Return every promotion to this environment that has no outcome yet, the one that holds it too, the oldest first."""
    rows = connection.execute(
        SELECT + "WHERE promotions.service = %s AND environment = %s AND ended_at IS NULL ORDER BY accepted_at",
        [service, environment],
    ).fetchall()
    return [_read(row) for row in rows]


def holding(connection: Connection[DictRow], service: str, environment: str, commit: str) -> Promotion | None:
    """Return the promotion for whose end this commit is held in this environment, None if it is not held."""
    row = connection.execute(
        SELECT
        + """
        WHERE promotions.service = %s AND environment = %s AND pushes.commit = %s AND rollback_to IS NULL AND outcome = ANY(%s)
        ORDER BY ended_at DESC LIMIT 1
        """,
        [service, environment, commit, ["released", *HELD]],
    ).fetchone()
    return None if row is None or row["outcome"] == "released" else _read(row)


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
        cause = f": {now.cause.splitlines()[0]}" if now.cause else ""
        state = f"has ended ({now.outcome}{cause})" if now.ended_at else f"is driven by {now.driver}"
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
        [outcome, None if cause is None else discreet(cause), promotion],
    ).fetchone()
    if ended is not None:
        connection.execute("UPDATE environments SET holder = NULL, held_since = NULL WHERE holder = %s", [promotion])
    return ended is not None


def _known(connection: Connection[DictRow], push: UUID, flow_run: UUID | None, *, force: bool) -> dict[str, Any] | None:
    """Return the promotion of a push that is under way, from now on in `flow_run`, or was released, rollbacks aside."""
    values = {"push": push, "run": flow_run, "force": force}
    under_way = connection.execute(
        """
        UPDATE promotions SET flow_run = coalesce(%(run)s, flow_run), forced = forced OR %(force)s
        WHERE push = %(push)s AND rollback_to IS NULL AND ended_at IS NULL RETURNING id
        """,
        values,
    ).fetchone()
    released = """
        SELECT id FROM promotions WHERE push = %(push)s AND rollback_to IS NULL AND outcome = 'released'
          AND (NOT %(force)s OR flow_run = %(run)s) ORDER BY accepted_at DESC LIMIT 1
    """
    return under_way or connection.execute(released, values).fetchone()


def _insert(
    connection: Connection[DictRow],
    push: UUID,
    service: Service,
    branch: str,
    *,
    flow_run: UUID | None,
    by: str,
    force: bool,
) -> Promotion:
    environment, configuration = service.rule(branch).environment, Jsonb(service.model_dump(mode="json"))
    row = connection.execute(
        """
        INSERT INTO promotions (push, service, configuration, environment, flow_run, asked_by, forced)
        VALUES (%s, %s, %s, %s, %s, %s, %s) RETURNING id
        """,
        [push, service.name, configuration, environment, flow_run, by, force],
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
        by=row["asked_by"],
        forced=row["forced"],
    )
