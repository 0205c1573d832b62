"""Brings the ledger's own schema up to date, and refuses one that is newer than this program."""

from pathlib import Path

import psycopg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from psycopg.rows import DictRow
from sqlalchemy import URL, Connection, create_engine, make_url
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from promoter.errors import LedgerError
from promoter.ledger.connection import unreachable
from promoter.settings import Settings

SCRIPTS = Path(__file__).parent / "migrations"


def upgrade(settings: Settings) -> str:
    """Apply every pending migration of the ledger; return its revision.

    Raises LedgerError if the ledger is unreachable or newer than this program.
    """
    engine = create_engine(_url(settings), poolclass=NullPool)
    try:
        with engine.begin() as connection:
            _refuse_newer(_revision(connection))
            command.upgrade(_config(connection), "head")
            return str(_revision(connection))
    except OperationalError as error:
        raise unreachable(settings, error) from error
    finally:
        engine.dispose()


def check(connection: psycopg.Connection[DictRow]) -> None:
    """Raise LedgerError unless the ledger's schema is exactly this program's."""
    found = connection.execute("SELECT to_regclass('alembic_version') AS name").fetchone()
    if found is None or found["name"] is None:
        raise LedgerError("the ledger is empty", hint="Run `promoter ledger upgrade` once.")
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    revision = None if row is None else str(row["version_num"])
    _refuse_newer(revision)
    if revision != head():
        raise LedgerError(
            f"the ledger's schema is at {revision}, this program needs {head()}", hint="Run `promoter ledger upgrade`."
        )


def head() -> str:
    """Return the newest revision that this program knows."""
    return str(_scripts().get_current_head())


def _scripts() -> ScriptDirectory:
    return ScriptDirectory(str(SCRIPTS))


def _refuse_newer(revision: str | None) -> None:
    known = {script.revision for script in _scripts().walk_revisions()}
    if revision is not None and revision not in known:
        raise LedgerError(
            f"the ledger's schema is at {revision}, which this program does not know; it knows up to {head()}",
            hint="A newer Promoter wrote it: update this one. Nothing was changed.",
        )


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def _url(settings: Settings) -> URL:
    url = make_url(settings.ledger_url).set(drivername="postgresql+psycopg")
    if settings.ledger_password is None:
        return url
    return url.set(password=settings.ledger_password.get_secret_value())
