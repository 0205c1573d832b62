"""The health of 1,000 services in one look, as `verify-health` asks for it, beside `curl --parallel`: time, and memory at its peak.

`python -m deployments.bench.endpoints URL NUMBER` is ours in a process of its own, which says what it needed.
"""

import asyncio
import json
import os
import resource
import shutil
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from deployments.bench import load
from deployments.bench.result import Result
from promoter import probe, shell
from promoter.config import HealthAnswer
from tasks.verification import AT_ONCE

ENDPOINTS = 1_000
VERSION = "v1.2.3"
ANSWER = json.dumps({"status": "ok", "database": "ok", "version": VERSION}).encode()
PATIENCE = 300.0
"""Seconds that one look may take."""
PER_MEGABYTE = 1024**2 if sys.platform == "darwin" else 1024
"""What `ru_maxrss` counts in: bytes on macOS, kilobytes on Linux (getrusage(2))."""
WATCHED = """
import json, resource, subprocess, sys, time
began = time.monotonic()
said = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE, text=True).stdout.split()
print(json.dumps([time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, said.count("200")]))
"""
"""Runs a program and says its time, its memory and how many 200 it printed."""


@dataclass(frozen=True)
class Look:
    """What one look at all endpoints needed."""

    seconds: float
    memory: float
    """At its peak, in MB."""
    well: int
    """How many answered as they should."""


@dataclass
class Services:
    """Stands for the services: gives every request the answer of one that is well, and counts how often each was asked."""

    asked: Counter[bytes]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection until it ends."""
        while head := await load.read_head(reader):
            self.asked[head.split(b" ", 2)[1]] += 1
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
            writer.write(b"Content-Length: %d\r\n\r\n%b" % (len(ANSWER), ANSWER))
            await writer.drain()
        writer.close()


def measure(endpoints: int = ENDPOINTS) -> Result:
    """Look at every endpoint by ours and by curl, each in a process of its own."""
    return asyncio.run(_measure(endpoints))


async def _measure(endpoints: int) -> Result:
    services = Services(Counter())
    async with await asyncio.start_server(services.serve, "127.0.0.1", 0, backlog=endpoints) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        ours = await asyncio.to_thread(_ours, url, endpoints)
        each_once = Counter(services.asked.values()) == {1: endpoints}
        curl = await asyncio.to_thread(by_curl, url, endpoints) if shutil.which("curl") else None
    return Result(
        f"verify-health, {endpoints:,} endpoints at once: ours ÷ `curl --parallel`",
        ours.seconds / curl.seconds if curl else 1.0,
        None,
        {"ours": ours.seconds, **({"curl": curl.seconds} if curl else {})},
        kept=each_once and ours.well == endpoints,
        notes=(
            f"{ours.well:,} of {endpoints:,} well, "
            + ("each asked once" if each_once else "some asked more or less than once"),
            f"ours {ours.memory:.0f} MB at its peak, curl {f'{curl.memory:.0f} MB' if curl else 'is not installed'}",
        ),
    )


def by_ours(url: str, endpoints: int) -> int:
    """Ask every endpoint as `verify-health` does; return how many are well."""
    ask = partial(probe.ask, fields=HealthAnswer(), accepted={VERSION})
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = pool.map(ask, (f"{url}/{number}/health" for number in range(1, endpoints + 1)))
        return sum(answer.kind == "right" for answer in answers)


def by_curl(url: str, endpoints: int) -> Look:
    """Ask every endpoint by one curl, as many at once as ours; a small process starts it, whose own memory is less than curl's."""
    curl = ["curl", "--silent", "--parallel", "--parallel-max", str(AT_ONCE), "--output", os.devnull]
    told = ["--write-out", "%{http_code}\\n", f"{url}/[1-{endpoints}]/health"]
    return _said([sys.executable, "-S", "-c", WATCHED, *curl, *told])


def _ours(url: str, endpoints: int) -> Look:
    return _said([sys.executable, "-m", "deployments.bench.endpoints", url, str(endpoints)])


def _said(argv: list[str]) -> Look:
    seconds, memory, well = json.loads(shell.run(argv, timeout=PATIENCE).stdout)
    return Look(seconds, memory / PER_MEGABYTE, well)


if __name__ == "__main__":
    began = time.monotonic()
    found = by_ours(sys.argv[1], int(sys.argv[2]))
    said = (time.monotonic() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, found)
    print(json.dumps(said))  # noqa: T201 - for the process that asked
