"""Opens connections to the ledger; nothing is mutated anywhere without one."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg.rows import DictRow, dict_row

from promoter.errors import LedgerError
from promoter.settings import Settings
from promoter.text import printable


@contextmanager
def connect(settings: Settings | None = None) -> Iterator[psycopg.Connection[DictRow]]:
    """Yield one transaction on the ledger, committed at the end of the block, rolled back if it raises.

    Raises LedgerError (transient) if the ledger cannot be reached, or goes while the block runs.
    """
    settings = settings or Settings()
    password = settings.ledger_password
    try:
        connection = psycopg.connect(
            settings.ledger_url,
            password=None if password is None else password.get_secret_value(),
            application_name="promoter",
            connect_timeout=5,
            row_factory=dict_row,
        )
    except psycopg.OperationalError as error:
        raise unreachable(settings, error) from error
    try:
        with connection:
            yield connection
    except psycopg.OperationalError as error:
        raise unreachable(settings, error) from error


def unreachable(settings: Settings, error: Exception) -> LedgerError:
    """Return the error of a ledger that does not answer."""
    return LedgerError(
        f"the ledger {printable(settings.ledger_url)} cannot be reached: {str(error).strip().splitlines()[0]}",
        hint="Nothing is changed without the ledger. Check PROMOTER_LEDGER_URL and PROMOTER_LEDGER_PASSWORD.",
        transient=True,
    )
