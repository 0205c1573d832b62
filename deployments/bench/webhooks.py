"""The gateway under load: signed pushes in a burst and for a while, against a real process and a real ledger; none lost, none doubled.

Beside it the ledger's own work by hand, and Debian's `webhook` (https://github.com/adnanh/webhook) where that is installed.
"""

import asyncio
import json
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any
from uuid import uuid4

from deployments.bench import load
from deployments.bench.load import Load
from deployments.bench.result import Result
from deployments.gateway.signature import HEADER, sign
from deployments.sandbox import parts, payload
from deployments.sandbox.aws import processes
from deployments.sandbox.sample.service import GITHUB, NAME, service, to_toml
from deployments.sandbox.webhook import Webhook
from promoter import postgres
from promoter.ledger import arrivals, schema
from promoter.ledger.connection import connect
from promoter.settings import Settings

BURST = 1_000
SECONDS = 60.0
SIZE = 10_240
"""Bytes of a push."""
SECRET = "the benchmark's own secret"  # noqa: S105 - it guards nothing but loopback
BRANCH = "test"
BY_HAND = 50
"""Pushes that are noted by hand."""
SETTLED = 120.0
"""Seconds that Prefect may take until it heard of every push."""
HERE = "http://127.0.0.1:1"
"""Where nothing of a service is asked for."""


@dataclass
class Prefect:
    """Stands for a Prefect server: takes events and counts how often each came."""

    heard: Counter[str] = field(default_factory=Counter)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    connections: dict[asyncio.StreamWriter, asyncio.Task[None] | None] = field(default_factory=dict)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """Serve while the block runs and yield the address of the API; in the end every connection is closed, and nobody serves it."""
        async with await asyncio.start_server(self._serve, "127.0.0.1", 0) as server:
            try:
                yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/api"
            finally:
                for writer in list(self.connections):
                    writer.close()
                await asyncio.gather(*(task for task in self.connections.values() if task))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection until it ends."""
        self.connections[writer] = asyncio.current_task()
        try:
            while head := await load.read_head(reader):
                self._hear(await reader.readexactly(load.length(head)))
                writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the other end is gone, and what it was about to say is not heard
        finally:
            del self.connections[writer]
            await load.close(writer)

    def _hear(self, body: bytes) -> None:
        self.heard.update(event["id"] for event in json.loads(body))
        self.news.set()


@dataclass(frozen=True)
class Bench:
    """A gateway that runs, and what it leaves behind."""

    settings: Settings
    port: int
    prefect: Prefect

    async def burst(self, number: int) -> Load:
        """Send `number` pushes at once, as fast as they are taken."""
        return await load.send(self.port, iter([request(one) for one in range(number)]))

    async def sustained(self, first: int, seconds: float) -> Load:
        """Send pushes for some seconds, as fast as they are taken, the numbers from `first` on."""
        return await load.send(self.port, _until(time.monotonic() + seconds, first))

    async def miscounted(self, *loads: Load, patience: float = SETTLED) -> dict[str, int]:
        """Return how many pushes were refused, lost or doubled: in the ledger, and where Prefect hears of them; of each none is right.

        Prefect may take `patience` seconds until it heard of all.
        """
        taken = [answer for one in loads for answer in one.bodies]
        ids = [json.loads(body)["pushes"][NAME] for body in taken]
        await self._settle(len(ids), patience)
        with connect(self.settings) as ledger:
            noted = Counter(str(row["id"]) for row in ledger.execute("SELECT id FROM arrivals").fetchall())
        return {
            "refused": sum(one.refused for one in loads),
            "doubled": len(ids) - len(set(ids)),
            "lost in the ledger": len(set(ids) - set(noted)),
            "too many in the ledger": len(set(noted) - set(ids)),
            "not told to Prefect": len(set(ids) - set(self.prefect.heard)),
            "told to Prefect twice": sum(times - 1 for times in self.prefect.heard.values()),
        }

    async def _settle(self, number: int, patience: float) -> None:
        """Wait until Prefect heard of so many pushes, but not for ever."""
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                while len(self.prefect.heard) < number:
                    self.prefect.news.clear()
                    await self.prefect.news.wait()


def measure(burst: int = BURST, seconds: float = SECONDS) -> Result:
    """Send a burst and then pushes for some seconds, count what came of them, and note some by hand."""
    with tempfile.TemporaryDirectory(prefix="promoter-bench-") as name, postgres.temporary_server() as server:
        ledger = postgres.create_database(server, "bench")
        url = f"postgresql://{ledger.user}@{ledger.host}:{ledger.port}/{ledger.database}"
        settings = Settings(ledger_url=url, ledger_password=ledger.password, services=Path(name, "services"))
        schema.upgrade(settings)
        write_service(settings.services)
        try:
            return asyncio.run(_measure(Path(name), settings, burst, seconds))
        finally:
            parts.end_all(Path(name))


async def _measure(folder: Path, settings: Settings, burst: int, seconds: float) -> Result:
    prefect = Prefect()
    async with prefect.serving() as api:
        bench = await asyncio.to_thread(start, folder, settings, api, prefect)
        first = await bench.burst(burst)
        then = await bench.sustained(burst, seconds)
        wrong = {name: number for name, number in (await bench.miscounted(first, then)).items() if number}
        hand = await asyncio.to_thread(by_hand, settings)
    other = await _foreign(folder, burst)
    return Result(
        f"gateway, {burst:,} pushes of {SIZE:,} bytes at once: each ÷ noting it by hand",
        first.seconds / burst / hand,
        None,
        {
            "noted by hand": hand,
            **{f"burst, {name}": value for name, value in first.percentiles().items()},
            **{f"sustained, {name}": value for name, value in then.percentiles().items()},
        },
        kept=not wrong,
        notes=(
            f"burst: {first}",
            f"sustained: {then}",
            f"of {first.number + then.number:,} pushes: "
            + (", ".join(f"{number} {name}" for name, number in wrong.items()) or "none lost, none doubled"),
            f"Debian's webhook, burst: {other or 'not installed'}",
        ),
    )


def start(folder: Path, settings: Settings, api: str, prefect: Prefect) -> Bench:
    """Start the gateway in a process of its own, and return when it takes pushes."""
    password = settings.ledger_password
    variables = {
        "PREFECT_API_URL": api,
        "PROMOTER_LEDGER_PASSWORD": password.get_secret_value() if password else "",
        "PROMOTER_LEDGER_URL": settings.ledger_url,
        "PROMOTER_SERVICES": str(settings.services),
    }
    port = parts.free_port()
    hook = Webhook(f"http://127.0.0.1:{port}/github", SECRET, GITHUB.repository, GITHUB.repository_id)
    parts.start_gateway(folder, variables, hook)
    return Bench(settings, port, prefect)


def write_service(services: Path) -> None:
    """Write the file of the sample service, of which nothing but its branches is asked for."""
    services.mkdir()
    sample = service(services, "127.0.0.1:1", {"staging": f"{HERE}/health", "production": f"{HERE}/health"}, HERE)
    (services / f"{NAME}.toml").write_text(to_toml(sample))


def by_hand(settings: Settings) -> float:
    """Return how long a push takes to be noted, one after the other, in seconds."""
    times = []
    for number in range(BY_HAND):
        began = time.monotonic()
        with connect(settings) as ledger:
            arrivals.note(
                ledger,
                service="by-hand",
                repository="by-hand",
                branch=BRANCH,
                commit=f"{number:040x}",
                delivery=str(uuid4()),
                pushed_by="bench",
            )
        times.append(time.monotonic() - began)
    return median(times)


def request(number: int, path: str = "/github") -> bytes:
    """Return a signed push, no other push has its commit, as it goes over the wire."""
    body = _push(f"{number + 1:040x}")
    return load.post(
        path,
        body,
        {
            "Content-Type": "application/json",
            "X-GitHub-Delivery": str(uuid4()),
            "X-GitHub-Event": "push",
            HEADER: sign(body, SECRET.encode()).decode(),
        },
    )


def _push(commit: str) -> bytes:
    told: dict[str, Any] = {
        "ref": f"refs/heads/{BRANCH}",
        "before": payload.NOTHING,
        "after": commit,
        "created": False,
        "deleted": False,
        "forced": False,
        "repository": payload.repository(GITHUB.repository_id, GITHUB.repository),
        "sender": payload.account("bench"),
        "head_commit": {"id": commit, "message": ""},
    }
    told["head_commit"]["message"] = "x" * (SIZE - len(json.dumps(told)))
    return json.dumps(told).encode()


def _until(deadline: float, number: int) -> Iterator[bytes]:
    while time.monotonic() < deadline:
        yield request(number)
        number += 1


async def _foreign(folder: Path, number: int) -> Load | None:
    """Send the burst to Debian's `webhook`, which verifies it the same way and does nothing; None where it is not installed."""
    program = shutil.which("webhook")
    if program is None:
        return None
    with foreign(program, folder) as port:
        await _listening(port)
        return await load.send(port, iter([request(one, "/hooks/github") for one in range(number)]))


@contextmanager
def foreign(program: str, folder: Path) -> Iterator[int]:
    """Run Debian's `webhook` and yield its port."""
    signature = {"type": "payload-hmac-sha256", "secret": SECRET, "parameter": {"source": "header", "name": HEADER}}
    hooks = folder / "hooks.json"
    hooks.write_text(
        json.dumps([{"id": "github", "execute-command": "/bin/true", "trigger-rule": {"match": signature}}])
    )
    port = parts.free_port()
    process = processes.start(
        [program, "-hooks", str(hooks), "-ip", "127.0.0.1", "-port", str(port)],
        cwd=folder,
        env={},
        output=folder / "webhook.log",
        record=folder / "webhook.pid",
    )
    try:
        yield port
    finally:
        process.kill()


async def _listening(port: int, patience: float = 10) -> None:
    deadline = time.monotonic() + patience
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.05)
        else:
            await load.close(writer)
            return
