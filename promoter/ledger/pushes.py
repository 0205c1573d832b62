"""Pushes in the ledger: each is there once, known by its delivery, and by repository, branch and commit."""

from uuid import UUID

from psycopg import Connection
from psycopg.rows import DictRow

from promoter.records import Push


def note(connection: Connection[DictRow], service: str, push: Push, delivery: str | None) -> tuple[UUID, str]:
    """Note a push if it is new, and return id and branch of the one on record; a delivery that came before is the push that it was."""
    values = {**vars(push), "service": service, "delivery": delivery}
    connection.execute(
        """
        INSERT INTO pushes (service, repository, branch, commit, base, delivery)
        VALUES (%(service)s, %(repository)s, %(branch)s, %(commit)s, %(base)s, %(delivery)s) ON CONFLICT DO NOTHING
        """,
        values,
    )
    row = connection.execute(
        """
        SELECT id, branch FROM pushes WHERE service = %(service)s
          AND (delivery = %(delivery)s OR (repository, branch, commit) = (%(repository)s, %(branch)s, %(commit)s))
        ORDER BY delivery = %(delivery)s DESC NULLS LAST LIMIT 1
        """,
        values,
    ).fetchone()
    assert row is not None  # noqa: S101 - it was inserted, or was there
    return row["id"], row["branch"]
