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
        found = snapshots.objects(postgres.dump_schema(credentials), version_table)
    except SchemaError as error:
        logger.warning(
            "the catalogue is not recorded, so a way back is verified by its revisions alone: %s", error.message
        )
        return None
    return {name: blake2b(body.encode(), digest_size=DIGEST_BYTES).hexdigest() for name, body in found.items()}


def verify(recorded: Mapping[str, str], credentials: DatabaseCredentials, *, version_table: str) -> None:
    """Compare the catalogue with the `recorded` one; raise SchemaError naming the objects that did not come back."""
    now = capture(credentials, version_table=version_table)
    if now is None:
        raise SchemaError(
            f"the schema of {credentials.database!r} was taken back, but cannot be read to verify that", transient=True
        )
    if differences := snapshots.changed(recorded, now):
        more = f" and {len(differences) - TOLD} more" if len(differences) > TOLD else ""
        raise SchemaError(
            f"the revisions of {credentials.database!r} are back, its schema is not: {'; '.join(differences[:TOLD])}{more}",
            hint="The rehearsal promised that it comes back, so something here is not as it was there. Compare, mend, unfreeze.",
        )
