"""How an environment stands by the ledger: what was released there, who holds it, whether it is frozen, which commit is held."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg import Connection
from psycopg.rows import DictRow, class_row

from promoter.ledger import history, leases, verifications
from promoter.ledger.history import Entry
from promoter.ledger.leases import Freeze
from promoter.ledger.verifications import Doubt

HOLDER = """
SELECT holder AS promotion, versions.tag AS version, pushes.commit, driver, held_since AS since, alive_until,
    coalesce(alive_until > clock_timestamp(), false) AS alive
FROM environments JOIN promotions ON promotions.id = holder JOIN pushes ON pushes.id = promotions.push
LEFT JOIN versions
    ON (versions.service, versions.branch, versions.commit) = (promotions.service, pushes.branch, pushes.commit)
WHERE environments.service = %s AND environments.environment = %s
"""


@dataclass(frozen=True)
class Holder:
    """The promotion that may change an environment."""

    promotion: UUID
    version: str | None
    commit: str
    driver: str | None
    """Who moves it; None for the moment."""
    since: datetime | None
    alive_until: datetime | None
    """Until when its driver counts as alive without another sign of life."""
    alive: bool
    """Whether it does now, by the ledger's clock."""


@dataclass(frozen=True)
class Standing:
    """One environment as the ledger knows it."""

    release: Entry | None
    """The last promotion that was verified in it."""
    holder: Holder | None
    freeze: Freeze | None
    hold: Entry | None
    """The promotion that was taken back since; its commit is not promoted again by itself."""
    doubt: Doubt | None
    """Why the release may not be promoted further."""


def standing(connection: Connection[DictRow], service: str, environment: str) -> Standing:
    """Return how an environment stands."""
    release = history.released(connection, service, environment)
    return Standing(
        release=release,
        holder=_holder(connection, service, environment),
        freeze=leases.frozen(connection, service, environment),
        hold=history.held(connection, service, environment, None if release is None else release.verified),
        doubt=verifications.doubt(connection, service, environment),
    )


def _holder(connection: Connection[DictRow], service: str, environment: str) -> Holder | None:
    with connection.cursor(row_factory=class_row(Holder)) as cursor:
        return cursor.execute(HOLDER, [service, environment]).fetchone()
