"""Decides who may pull and push: nobody is asked, or a password is, or a token of the registry's own token endpoint.

Source: the token authentication of the distribution project; tokens are JSON Web Tokens (RFC 7519) with HS256.
"""

import base64
import binascii
import hashlib
import hmac
import json
import secrets
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter
from starlette.requests import Request

from deployments.sandbox.registry.refusals import Refusal
from deployments.sandbox.registry.store import write

Right = Literal["pull", "push"]
LIFETIME = 300
"""How long a token is good, in seconds."""


@dataclass(frozen=True)
class User:
    """Somebody the registry knows."""

    password: str
    rights: tuple[Right, ...] = ("pull", "push")


@dataclass(frozen=True)
class Access:
    """Who may do what, in every repository alike; a small JSON file in the registry's folder."""

    mode: Literal["open", "basic", "bearer"] = "open"
    users: dict[str, User] = field(default_factory=dict)
    anonymous: tuple[Right, ...] = ()
    """What a token allows that was given to nobody; GHCR lets everybody pull public images like this."""


def load(folder: Path) -> Access:
    """Read `access.json` of the registry's folder; without it the registry is open."""
    path = folder / "access.json"
    return TypeAdapter(Access).validate_json(path.read_bytes()) if path.is_file() else Access()


def save(folder: Path, access: Access) -> None:
    """Write `access.json` to the registry's folder."""
    write(folder / "access.json", TypeAdapter(Access).dump_json(access, indent=2))


class Gate:
    """Lets requests through, or says what it wants to see; `key` signs its tokens."""

    def __init__(self, access: Access, key: bytes) -> None:
        self._access = access
        self._key = key

    def check(self, request: Request, name: str, right: Right) -> None:
        """Raise the Refusal UNAUTHORIZED or DENIED unless the request may use `right` on the repository `name`."""
        if not self.allows(request, name, right):
            raise self._challenge(request, f"repository:{name}:{'pull,push' if right == 'push' else right}")

    def check_known(self, request: Request) -> None:
        """Raise the Refusal UNAUTHORIZED unless the request comes from somebody the registry knows."""
        header = request.headers.get("Authorization", "")
        if self._access.mode == "basic" and self._user(header) is None:
            raise self._challenge(request)
        if self._access.mode == "bearer" and self._claims(header) is None:
            raise self._challenge(request)

    def allows(self, request: Request, name: str, right: Right) -> bool:
        """Return whether the request may use `right`; raise DENIED where the user is known and may not."""
        header = request.headers.get("Authorization", "")
        if self._access.mode == "open":
            return True
        if self._access.mode == "bearer":
            granted = (self._claims(header) or {}).get("access", [])
            return any(entry["name"] == name and right in entry["actions"] for entry in granted)
        user = self._user(header)
        if user is not None and right not in user.rights:
            raise Refusal("DENIED", f"this user may not {right}")
        return user is not None

    def token(self, request: Request) -> dict[str, Any]:
        """Return the answer of the token endpoint: a token for as much of the scope as the user may do."""
        header = request.headers.get("Authorization", "")
        user = self._user(header)
        if header and user is None:
            raise Refusal("UNAUTHORIZED", "the user name or the password is wrong")
        rights = user.rights if user else self._access.anonymous
        scopes = " ".join(request.query_params.getlist("scope")).split()
        now = int(time.time())
        token = self._sign({"exp": now + LIFETIME, "iat": now, "access": [_grant(scope, rights) for scope in scopes]})
        return {"token": token, "access_token": token, "expires_in": LIFETIME}

    def _user(self, header: str) -> User | None:
        scheme, _, encoded = header.partition(" ")
        if scheme.lower() != "basic":
            return None
        try:
            name, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        user = self._access.users.get(name)
        known = user is not None and secrets.compare_digest(user.password.encode(), password.encode())
        return user if known else None

    def _sign(self, claims: dict[str, Any]) -> str:
        text = ".".join(_encode(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims))
        return f"{text}.{self._signature(text)}"

    def _claims(self, header: str) -> dict[str, Any] | None:
        """Return what a token says that this registry signed and that is not too old."""
        text, _, signature = header.removeprefix("Bearer ").rpartition(".")
        if not header.startswith("Bearer ") or not secrets.compare_digest(
            signature.encode(), self._signature(text).encode()
        ):
            return None
        encoded = text.partition(".")[2]
        claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)))
        return claims if claims["exp"] > time.time() else None

    def _signature(self, text: str) -> str:
        return _encode(hmac.digest(self._key, text.encode(), hashlib.sha256))

    def _challenge(self, request: Request, scope: str | None = None) -> Refusal:
        host = request.headers.get("Host", "")
        wanted = f'Basic realm="{host}"'
        if self._access.mode == "bearer":
            wanted = f'Bearer realm="http://{host}/token",service="{host}"' + (f',scope="{scope}"' if scope else "")
        return Refusal("UNAUTHORIZED", "authentication required", {"WWW-Authenticate": wanted})


def _grant(scope: str, rights: tuple[Right, ...]) -> dict[str, Any]:
    """Return how much of `repository:NAME:ACTIONS` the rights allow; `*` asks for all of them, as skopeo does to delete."""
    kind, _, rest = scope.partition(":")
    name, _, actions = rest.rpartition(":")
    wanted = actions.split(",")
    return {"type": kind, "name": name, "actions": [right for right in rights if right in wanted or "*" in wanted]}


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
