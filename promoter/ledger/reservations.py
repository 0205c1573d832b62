"""Version numbers: one names one commit and one digest, for ever, also after a failure."""

from collections.abc import Callable, Mapping

from psycopg import Connection
from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from promoter.errors import VersionError
from promoter.ledger.steps import dump, restore
from promoter.records import Version

OTHER_BRANCH = "reserved on another branch"
"""Stands for the commit of such a number: two branches may end in one suffix and build for other platforms."""


def reserve(
    connection: Connection[DictRow],
    service: str,
    branch: str,
    commit: str,
    choose: Callable[[Mapping[str, str]], Version],
) -> Version:
    """Return the number of `commit` on `branch`: the one it has, else what `choose` makes of the taken ones.

    `choose` gets what `taken` returns. One at a time: two commits never choose together.
    """
    connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"versions of {service}"])
    known = connection.execute(
        "SELECT record FROM versions WHERE service = %s AND branch = %s AND commit = %s", [service, branch, commit]
    ).fetchone()
    if known is not None:
        version = restore("Version", known["record"])
        assert isinstance(version, Version)  # noqa: S101 - `restore` reads what `dump` wrote
        return version
    version = choose(taken(connection, service, branch))
    connection.execute(
        "INSERT INTO versions (service, tag, branch, commit, record) VALUES (%s, %s, %s, %s, %s)",
        [service, version.tag, branch, commit, Jsonb(dump(version))],
    )
    return version


def taken(connection: Connection[DictRow], service: str, branch: str) -> dict[str, str]:
    """Return tag → commit of every reservation of the service, as `branch` sees it: one of another branch is no commit's to take."""
    rows = connection.execute("SELECT tag, branch, commit FROM versions WHERE service = %s", [service]).fetchall()
    return {row["tag"]: row["commit"] if row["branch"] == branch else OTHER_BRANCH for row in rows}


def pin(connection: Connection[DictRow], service: str, tag: str, digest: str) -> None:
    """Bind a number to the digest it names; raise VersionError if it names another."""
    row = connection.execute(
        "UPDATE versions SET digest = coalesce(digest, %s) WHERE service = %s AND tag = %s RETURNING digest",
        [digest, service, tag],
    ).fetchone()
    if row is None:
        raise VersionError(f"{service} {tag} was never reserved")
    if row["digest"] != digest:
        raise VersionError(
            f"{service} {tag} names {row['digest']}, not {digest}", hint="A version names one digest, for ever."
        )


def pinned(connection: Connection[DictRow], service: str, tag: str) -> str | None:
    """Return the digest that a number is bound to, None before its image was pushed."""
    row = connection.execute("SELECT digest FROM versions WHERE service = %s AND tag = %s", [service, tag]).fetchone()
    return None if row is None else row["digest"]
