"""What two modules of the ledger have in common: who starts something that was noted takes a try first, and nobody else has it.

`arrivals` is one for pushes, `changes` for heads of pull requests.
"""

from typing import Protocol
from uuid import UUID

from psycopg import Connection
from psycopg.rows import DictRow


class Tries(Protocol):
    """Keeps account of what was started."""

    def take(self, connection: Connection[DictRow], noted: UUID, /) -> int | None:
        """Take the next try to start it and return its number; None where it is started, or another tries just now."""

    def give_back(self, connection: Connection[DictRow], noted: UUID, /) -> None:
        """Give a try back of which nothing came."""
