"""Hands out credentials as opaque values that print as `***`, at the moment of use."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from pydantic import SecretStr

from promoter.config import DatabaseKeys
from promoter.discretion import SHORTEST, remember
from promoter.errors import SecretError


@dataclass(frozen=True)
class DatabaseCredentials:
    """How to reach one database; safe to print, and from now on this process never says the password."""

    host: str
    port: int
    user: str
    password: SecretStr
    database: str
    renew: "Callable[[], DatabaseCredentials] | None" = field(default=None, compare=False, repr=False)
    """Reads them again where they are kept, for a password that was changed meanwhile; None where they are kept nowhere."""

    def __post_init__(self) -> None:
        remember(self.password.get_secret_value())

    def variables(self, templates: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return PGHOST, PGPORT, PGUSER, PGPASSWORD and PGDATABASE, and each of `templates` filled in.

        A part is percent-encoded where the template is a URL (has `://`), so any legal password works.
        """
        parts = {
            "host": self.host,
            "port": str(self.port),
            "user": self.user,
            "password": self.password.get_secret_value(),
            "database": self.database,
        }
        libpq = {f"PG{name.upper()}": value for name, value in parts.items()}
        return {**libpq, **{name: _fill(template, parts) for name, template in (templates or {}).items()}}

    def connection(self) -> dict[str, Any]:
        """Return the keyword arguments of `psycopg.connect`."""
        return {
            "host": self.host,
            "port": self.port,
            "user": self.user,
            "password": self.password.get_secret_value(),
            "dbname": self.database,
        }


NOWHERE = DatabaseCredentials("127.0.0.1", 1, "nobody", SecretStr("nothing"), "nothing")
"""For a program that wants a database's address and has no business there."""


def database_credentials(text: str, keys: DatabaseKeys, secret: str) -> DatabaseCredentials:
    """Read the JSON `text` of the secret called `secret`; raise SecretError, which never shows a value."""
    try:
        values = json.loads(text)
    except json.JSONDecodeError:
        values = None
    if not isinstance(values, dict):
        raise SecretError(f"secret {secret!r} is no JSON object", hint="It needs the keys " + ", ".join(_names(keys)))
    missing = [name for name in _names(keys) if not str(values.get(name) or "")]
    if missing:
        raise SecretError(
            f"secret {secret!r} has no {', '.join(missing)}; it has the keys {', '.join(sorted(values)) or 'none'}",
            hint="Add them in Secrets Manager, or name the right keys in [database.secret_keys].",
        )
    return DatabaseCredentials(
        host=str(values[keys.host]),
        port=_port(values[keys.port], keys.port, secret),
        user=str(values[keys.user]),
        password=SecretStr(str(values[keys.password])),
        database=str(values[keys.database]),
    )


def hidden_values(text: str, keys: DatabaseKeys) -> list[str]:
    """Return what no output of a service may show of its JSON secret: all but the database's address, name and user.

    Values shorter than `SHORTEST`, such as `true` or `5`, are no secrets, and hiding them would hide everything.
    """
    values: dict[str, object] = json.loads(text)
    told = {keys.user, keys.database, keys.host, keys.port}
    return [str(value) for name, value in values.items() if name not in told and len(str(value)) >= SHORTEST]


def _names(keys: DatabaseKeys) -> list[str]:
    return [keys.user, keys.password, keys.database, keys.host, keys.port]


def _port(value: object, key: str, secret: str) -> int:
    text = str(value)
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 65536:
        raise SecretError(f"secret {secret!r}: {key} is no port number")
    return int(text)


def _fill(template: str, parts: Mapping[str, str]) -> str:
    encode = "://" in template
    for name, value in parts.items():
        template = template.replace("{" + name + "}", quote(value, safe="") if encode else value)
    return template
