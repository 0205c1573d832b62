"""Answers the question a registry puts before it serves: Basic, or Bearer with a token from the place it names.

Source: RFC 9110, section 11.6.1, and the token authentication of the distribution project.
"""

import base64
import re
from dataclasses import dataclass, field

from pydantic import SecretStr

_SCHEME = re.compile(r"\s*([A-Za-z]+)(?:\s+|$)(.*)", re.DOTALL)
_PARAMETER = re.compile(r'([A-Za-z_]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')


@dataclass(frozen=True)
class Challenge:
    """What `WWW-Authenticate` asks for."""

    scheme: str
    """`basic` or `bearer`, in lower case; "" where the header is missing or unreadable."""
    parameters: dict[str, str] = field(default_factory=dict)
    """`realm`, `service`, `scope`, …"""


def challenge(header: str | None) -> Challenge:
    """Read the header `WWW-Authenticate`."""
    match = _SCHEME.fullmatch(header or "")
    if match is None:
        return Challenge("")
    parameters = {name.lower(): quoted or bare for name, quoted, bare in _PARAMETER.findall(match[2])}
    return Challenge(match[1].lower(), parameters)


def basic(username: str, password: SecretStr) -> str:
    """Return the header `Authorization` for a user name and a password or token."""
    pair = f"{username}:{password.get_secret_value()}".encode()
    return f"Basic {base64.b64encode(pair).decode()}"


def scope(name: str, *, push: bool, sources: tuple[str, ...] = ()) -> str:
    """Return the rights to ask for: on `name`, and to read from `sources`, parted by spaces."""
    wanted = [f"repository:{name}:{'pull,push' if push else 'pull'}"]
    return " ".join([*wanted, *(f"repository:{source}:pull" for source in sources)])
