"""Sends HTTP requests as fast as they are answered, over connections that stay open; costs little itself, so that the server is measured."""

import asyncio
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from math import ceil

CLIENTS = 32
"""Connections at once."""
LENGTH = re.compile(rb"(?i)^content-length: *([0-9]+)", re.MULTILINE)


@dataclass
class Load:
    """What came of many requests."""

    seconds: float = 0.0
    """From the first to the last answer."""
    times: list[float] = field(default_factory=list)
    """From each request to its answer, in seconds."""
    bodies: list[bytes] = field(default_factory=list)
    """The answers of those that were taken."""
    refused: int = 0
    """How many had another answer than 2xx, or none."""

    @property
    def number(self) -> int:
        """How many were sent."""
        return len(self.bodies) + self.refused

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.number / self.seconds

    def percentiles(self) -> dict[str, float]:
        """Return how long half of them and 99 of 100 took at most, in seconds."""
        ordered = sorted(self.times)
        return {f"p{part}": ordered[ceil(len(ordered) * part / 100) - 1] for part in (50, 99)}

    def __str__(self) -> str:
        marks = ", ".join(f"{name} {seconds * 1000:.1f} ms" for name, seconds in self.percentiles().items())
        refused = f", {self.refused} refused" if self.refused else ""
        return f"{self.rate:,.0f} requests/s, {marks}{refused}"


def post(path: str, body: bytes, headers: Mapping[str, str]) -> bytes:
    """Return a request as it goes over the wire."""
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, *(f"{name}: {value}" for name, value in headers.items()), "", ""]).encode() + body


async def send(port: int, requests: Iterator[bytes], clients: int = CLIENTS) -> Load:
    """Send all requests to a port of loopback."""
    load = Load()
    began = time.monotonic()
    await asyncio.gather(*(_client(port, requests, load) for _ in range(clients)))
    load.seconds = time.monotonic() - began
    return load


async def read_head(reader: asyncio.StreamReader) -> bytes:
    """Return the head of the next message, b"" where none comes any more."""
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return b""


def length(head: bytes) -> int:
    """Return how many bytes follow a head."""
    found = LENGTH.search(head)
    return int(found[1]) if found else 0


async def _client(port: int, requests: Iterator[bytes], load: Load) -> None:
    """Send one request after the other; a connection that ends is opened anew, and what was on it is not sent again."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for request in requests:
        began = time.monotonic()
        writer.write(request)
        head = await read_head(reader)
        body = await reader.readexactly(length(head))
        load.times.append(time.monotonic() - began)
        if head[9:10] == b"2":
            load.bodies.append(body)
        else:
            load.refused += 1
        if not head or b"connection: close" in head.lower():
            await close(writer)
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
    await close(writer)


async def close(writer: asyncio.StreamWriter) -> None:
    """Close a connection, and return when that is done; who is gone already is no trouble."""
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()
