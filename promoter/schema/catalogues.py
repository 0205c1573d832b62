"""The catalogue of a database as one digest per object: small enough for the ledger, exact enough to name what a way back left different."""

import logging
from collections.abc import Mapping
from hashlib import blake2b

from promoter import postgres
from promoter.errors import SchemaError
from promoter.schema import snapshots
from promoter.secrets import DatabaseCredentials

logger = logging.getLogger(__name__)

DIGEST_BYTES = 8
"""Enough to tell two definitions of one object apart; nobody gains by forging one."""
TOLD = 5
"""How many differences are named."""


def capture(credentials: DatabaseCredentials, *, version_table: str) -> dict[str, str] | None:
    """Return the digest of each object's definition, by type and name: `TABLE users`; None where the schema cannot be read.

    An account that may migrate need not be able to read every object of the database, and `pg_dump` refuses a server newer than itself.
    """
    try:
        return _digests(credentials, version_table)
    except SchemaError as error:
        logger.warning(
            "the catalogue is not recorded, so a way back is verified by its revisions alone: %s", error.message
        )
        return None


def verify(recorded: Mapping[str, str], credentials: DatabaseCredentials, *, version_table: str) -> None:
    """Compare the catalogue with the `recorded` one; raise SchemaError naming the objects that did not come back.

    It is transient where the schema cannot be read now: that it came back is not proved yet.
    """
    try:
        now = _digests(credentials, version_table)
    except SchemaError as error:
        raise SchemaError(f"whether the schema came back is not known: {error.message}", transient=True) from error
    if differences := snapshots.changed(recorded, now):
        more = f" and {len(differences) - TOLD} more" if len(differences) > TOLD else ""
        raise SchemaError(
            f"the revisions of {credentials.database!r} are back, its schema is not: {'; '.join(differences[:TOLD])}{more}",
            hint="Nobody may rely on it as it is. Compare it with what it was before, mend it, then `promoter unfreeze`.",
        )


def _digests(credentials: DatabaseCredentials, version_table: str) -> dict[str, str]:
    found = snapshots.objects(postgres.dump_schema(credentials), version_table)
    return {name: blake2b(body.encode(), digest_size=DIGEST_BYTES).hexdigest() for name, body in found.items()}
