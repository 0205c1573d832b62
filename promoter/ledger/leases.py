"""Who may change an environment: a lease with an epoch that only grows.

The holder is a promotion and stays the holder until it has ended. The driver is the process that moves the promotion; when it gives no
sign of life for a while, by the ledger's clock, another may take over. The epoch grows then, and the old driver is refused.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from threading import Event, Thread
from uuid import UUID

from psycopg import Connection
from psycopg.rows import DictRow

from promoter.discretion import discreet
from promoter.errors import LeaseError, LedgerError
from promoter.ledger import promotions
from promoter.ledger.connection import connect
from promoter.ledger.promotions import Promotion
from promoter.settings import Settings


@dataclass(frozen=True)
class Lease:
    """The right to change one environment, as long as nobody holds a higher epoch."""

    service: str
    environment: str
    promotion: UUID
    driver: str
    epoch: int


@dataclass(frozen=True)
class Freeze:
    """Why an environment takes no promotion."""

    reason: str
    by: str
    since: datetime


def take(connection: Connection[DictRow], promotion: Promotion, *, driver: str, seconds: float) -> Lease:
    """Take the environment for `promotion`, moved by `driver`.

    Raises LeaseError if it is frozen, or (transient) if another promotion or a living driver holds it.
    """
    promotions.drive(connection, promotion.id, driver, seconds)
    place = {"service": promotion.service.name, "environment": promotion.environment_name}
    connection.execute(
        "INSERT INTO environments (service, environment) VALUES (%(service)s, %(environment)s) ON CONFLICT DO NOTHING",
        place,
    )
    row = connection.execute(
        """
        UPDATE environments
        SET held_since = CASE WHEN holder IS NULL THEN clock_timestamp() ELSE held_since END,
            holder = %(promotion)s, epoch = epoch + 1
        WHERE service = %(service)s AND environment = %(environment)s
          AND (holder IS NULL AND frozen_at IS NULL OR holder = %(promotion)s) RETURNING epoch
        """,
        {**place, "promotion": promotion.id},
    ).fetchone()
    if row is None:
        raise _refusal(connection, **place)
    return Lease(promotion=promotion.id, driver=driver, epoch=row["epoch"], **place)


def renew(connection: Connection[DictRow], lease: Lease, seconds: float) -> None:
    """Give a sign of life; every change of the environment passes here first.

    Raises LeaseError if somebody else took over.
    """
    row = connection.execute(
        "SELECT epoch FROM environments WHERE service = %s AND environment = %s AND holder = %s AND epoch = %s FOR SHARE",
        [lease.service, lease.environment, lease.promotion, lease.epoch],
    ).fetchone()
    if row is None:
        raise LeaseError(
            f"{lease.service}/{lease.environment}: epoch {lease.epoch} of promotion {lease.promotion} has passed",
            hint="Another process took this promotion over and finishes it; this one changes nothing more.",
        )
    promotions.drive(connection, lease.promotion, lease.driver, seconds)


def fence(lease: Lease, settings: Settings | None = None) -> None:
    """Pass the lease in a transaction of its own, right before a change; raise LeaseError if somebody else took over."""
    settings = settings or Settings()
    with connect(settings) as connection:
        renew(connection, lease, settings.lease_seconds)


@contextmanager
def alive(promotion: UUID, driver: str, settings: Settings) -> Iterator[None]:
    """Give signs of life in the background while the block runs; raise LeaseError at once if another drives."""
    with connect(settings) as connection:
        promotions.drive(connection, promotion, driver, settings.lease_seconds)
    done = Event()
    thread = Thread(target=_keep, args=(promotion, driver, settings, done), daemon=True, name=f"alive-{promotion}")
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def freeze(connection: Connection[DictRow], service: str, environment: str, *, reason: str, by: str) -> None:
    """Let the environment take no promotion until somebody unfreezes it."""
    connection.execute(
        """
        INSERT INTO environments (service, environment, frozen_reason, frozen_by, frozen_at)
        VALUES (%s, %s, %s, %s, clock_timestamp())
        ON CONFLICT (service, environment) DO UPDATE
        SET frozen_reason = excluded.frozen_reason, frozen_by = excluded.frozen_by, frozen_at = excluded.frozen_at
        """,
        [service, environment, discreet(reason), by],
    )


def unfreeze(connection: Connection[DictRow], service: str, environment: str) -> Freeze | None:
    """Let the environment take promotions again; return the freeze that this ends, None if there was none."""
    ended = frozen(connection, service, environment)
    connection.execute(
        """
        UPDATE environments SET frozen_reason = NULL, frozen_by = NULL, frozen_at = NULL
        WHERE service = %s AND environment = %s
        """,
        [service, environment],
    )
    return ended


def frozen(connection: Connection[DictRow], service: str, environment: str) -> Freeze | None:
    """Return why the environment takes no promotion, None if it does."""
    row = connection.execute(
        """
        SELECT frozen_reason, frozen_by, frozen_at FROM environments
        WHERE service = %s AND environment = %s AND frozen_at IS NOT NULL
        """,
        [service, environment],
    ).fetchone()
    return None if row is None else Freeze(row["frozen_reason"], row["frozen_by"], row["frozen_at"])


def refuse_frozen(connection: Connection[DictRow], service: str, environment: str) -> None:
    """Raise LeaseError if the environment is frozen."""
    freeze = frozen(connection, service, environment)
    if freeze is not None:
        raise LeaseError(
            f"{service}/{environment} is frozen since {freeze.since:%Y-%m-%d %H:%M:%S%z} by {freeze.by}: {freeze.reason}",
            hint=f"When it is mended: `promoter unfreeze {environment} --service {service}`. Then promote again.",
        )


def give_way(connection: Connection[DictRow], promotion: UUID, cause: str) -> bool:
    """End a promotion that waits as superseded; False where it has ended, or holds its environment: then it goes on to its end."""
    # The row first: whoever takes the environment for this promotion holds it too, and a second statement sees what that one wrote.
    connection.execute("SELECT 1 FROM promotions WHERE id = %s FOR UPDATE", [promotion])
    holds = connection.execute("SELECT 1 FROM environments WHERE holder = %s", [promotion]).fetchone()
    return holds is None and promotions.end(connection, promotion, "superseded", cause)


def _keep(promotion: UUID, driver: str, settings: Settings, done: Event) -> None:
    while not done.wait(settings.lease_seconds / 3):
        try:
            with connect(settings) as connection:
                promotions.drive(connection, promotion, driver, settings.lease_seconds)
        except LeaseError:
            return  # the next change of this driver meets the refusal itself
        except LedgerError:
            continue  # unreachable for now: some time is left


def _refusal(connection: Connection[DictRow], service: str, environment: str) -> LeaseError:
    refuse_frozen(connection, service, environment)
    row = connection.execute(
        "SELECT holder FROM environments WHERE service = %s AND environment = %s", [service, environment]
    ).fetchone()
    holder = "somebody" if row is None else f"promotion {row['holder']}"
    return LeaseError(f"{service}/{environment} is held by {holder}", hint="It is waited for.", transient=True)
