"""Keeps secrets out of text: whole ones, their spellings, and what a program that shortens its output leaves of them."""

import base64
import json
import re
from collections.abc import Sequence
from urllib.parse import quote, quote_plus

MASK = "***"
ELLIPSIS = re.compile(r"(\.{3,}|…)")
PIECE = 4
"""The shortest piece of a secret that is taken for one beside an ellipsis, in characters."""


def mask(text: str, secrets: Sequence[str]) -> str:
    """Return `text` with each of `secrets` shown as `***`, the longest first; so are their pieces beside an ellipsis.

    pydantic and pytest shorten long values in the middle and leave both ends: `{'KEY': '14TTlkvUb...SXNLEHeQ'}`.
    """
    known = sorted(filter(None, secrets), key=len, reverse=True)
    if not known:
        return text
    for secret in known:
        text = text.replace(secret, MASK)
    parts = ELLIPSIS.split(text)
    for index in range(1, len(parts), 2):
        parts[index - 1] = _without_beginning(parts[index - 1], known)
        parts[index + 1] = _without_end(parts[index + 1], known)
    return "".join(parts)


def spellings(secret: str) -> list[str]:
    """Return every way in which `secret` may stand in a program's output."""
    quoted = (quote(secret, safe=""), quote(secret), quote_plus(secret))
    return [secret, secret.strip(), *quoted, repr(secret)[1:-1], json.dumps(secret)[1:-1]]


def encodings(secret: str) -> list[str]:
    """Return what base64 makes of `secret` wherever it begins in a longer text, less the characters that it shares with that.

    Three bytes become four characters, so there are three ways; each also in the alphabet of URLs.
    """
    found = []
    for offset in range(3):
        data = b"\0" * offset + secret.encode()
        first, end = -(-offset * 8 // 6), len(data) * 8 // 6
        found += [encode(data).decode()[first:end] for encode in (base64.b64encode, base64.urlsafe_b64encode)]
    return found


def _without_beginning(text: str, secrets: Sequence[str]) -> str:
    """Mask the beginning of a secret at the end of `text`."""
    for secret in secrets:
        for length in range(len(secret) - 1, PIECE - 1, -1):
            if text.endswith(secret[:length]):
                return text[:-length] + MASK
    return text


def _without_end(text: str, secrets: Sequence[str]) -> str:
    """Mask the end of a secret at the beginning of `text`."""
    for secret in secrets:
        for length in range(len(secret) - 1, PIECE - 1, -1):
            if text.startswith(secret[-length:]):
                return MASK + text[length:]
    return text
