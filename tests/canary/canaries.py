"""Values that may be nowhere but where they belong, and the search for them in whatever way they are written."""

import base64
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote, quote_plus

Sink = Iterable[tuple[str, bytes]]
"""Named pieces of one place where a secret may have got to."""


@dataclass(frozen=True, order=True)
class Find:
    """A secret where it does not belong; safe to print."""

    place: str
    canary: str
    """Its name, never its value."""


class Canaries:
    """Secrets by their names, each in every spelling."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self.needles = {name: spelled(value) for name, value in values.items()}

    def names_in(self, data: bytes) -> set[str]:
        """Return the names of the secrets that `data` holds."""
        return {name for name, needles in self.needles.items() if any(needle in data for needle in needles)}

    def find(self, *sinks: Sink) -> list[Find]:
        """Return every place in `sinks` that holds a secret."""
        pieces = (piece for sink in sinks for piece in sink)
        return sorted({Find(place, name) for place, data in pieces for name in self.names_in(data)})


def spelled(value: str) -> set[bytes]:
    """Return `value` as it stands in text, a URL, JSON, a Python literal, hexadecimal digits and base64.

    Raises ValueError for a value so short that it would be found by chance.
    """
    if len(value) < 16:
        raise ValueError("a canary is a long random value")
    texts = {value, quote(value, safe=""), quote(value), quote_plus(value), json.dumps(value)[1:-1], repr(value)[1:-1]}
    return {text.encode() for text in texts} | {value.encode().hex().encode()} | set(_in_base64(value.encode()))


def _in_base64(value: bytes) -> Iterator[bytes]:
    """Yield what does not depend on what stands around, for each of the three places where a value may begin."""
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for offset in range(3):
            one, other = (encode(pad * offset + value + pad * 3) for pad in (b"\x00", b"\xff"))
            same = "".join("=" if a == b else " " for a, b in zip(one, other, strict=True))
            longest = max(same.split(), key=len)
            start = same.index(longest)
            yield one[start : start + len(longest)]
