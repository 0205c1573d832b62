"""Finds in the log of a failed migration what a driver says of its error: the SQLSTATE, and the revision that it came from; pure."""

import re

from psycopg import errors

from promoter.schema.revisions import Script

NAMED = re.compile(r"\b(?:psycopg2?\.errors|asyncpg\.exceptions)\.(\w+)")
"""Each driver has a class for every SQLSTATE; a traceback and SQLAlchemy's own errors name it in full."""
OTHERWISE = {"PostgresSyntaxError": "SyntaxError", "SerializationError": "SerializationFailure"}
"""asyncpg's names are psycopg's with `Error` behind them, but for a few."""
FRAME = re.compile(r'^\s*File "[^"]*?([^"/]+\.py)", line \d+, in (?:upgrade|downgrade)\b', re.MULTILINE)


def sqlstate(log: str) -> str | None:
    """Return the five characters of the last error that a driver names, None where none does."""
    for name in reversed(NAMED.findall(log)):
        for spelling in (OTHERWISE.get(name, name), name.removesuffix("Error")):
            state = getattr(getattr(errors, spelling, None), "sqlstate", None)
            if isinstance(state, str):
                return state
    return None


def revision(log: str, script: Script) -> str | None:
    """Return the revision whose `upgrade` or `downgrade` stands last in a traceback, None without one."""
    names = {one.path.name: one.id for one in script.revisions}
    return next((names[file] for file in reversed(FRAME.findall(log)) if file in names), None)
