"""A gateway driven in its own process, on a real ledger, and a place that hears what Prefect would."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from deployments.gateway.app import build
from deployments.gateway.signature import sign
from promoter.config import Service
from promoter.ledger.connection import connect
from promoter.settings import Settings

SECRET, BEFORE = b"the secret of now", b"the secret before"
A, B = "a" * 40, "b" * 40
NAME, NUMBER = "Owner/api", 4711
Headers = Sequence[tuple[bytes, bytes]]
Body = bytes | AsyncIterator[bytes]


def push(**changes: Any) -> dict[str, Any]:
    """Return what GitHub sends of a push, without most of what nobody reads."""
    return {
        "ref": "refs/heads/test",
        "before": B,
        "after": A,
        "deleted": False,
        "forced": False,
        "repository": {"id": NUMBER, "full_name": NAME, "fork": False},
        "sender": {"login": "ann", "id": 1},
        "head_commit": {"id": A, "message": "{{ 7 * 7 }} $(touch /tmp/x) `id`"},
        "commits": [],
        **changes,
    }


def headers(
    body: bytes, *, secret: bytes = SECRET, event: str = "push", delivery: str = "1-2-3", **others: str
) -> list[tuple[bytes, bytes]]:
    """Return the headers with which GitHub sends `body`; `others` replace or add some, "" leaves one out."""
    plain = {
        "content-type": "application/json",
        "x-github-event": event,
        "x-github-delivery": delivery,
        "x-hub-signature-256": sign(body, secret).decode(),
        **{name.replace("_", "-"): value for name, value in others.items()},
    }
    return [(name.encode(), value.encode("latin-1")) for name, value in plain.items() if value]


@dataclass
class Prefect:
    """Hears the events that are sent to a Prefect server."""

    url: str
    events: list[dict[str, Any]] = field(default_factory=list)


@contextmanager
def listening() -> Iterator[Prefect]:
    """Yield a server that takes events."""
    heard: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.extend(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield Prefect(f"http://127.0.0.1:{server.server_port}/api", heard)
        server.shutdown()
        thread.join()


@pytest.fixture
def prefect(monkeypatch: pytest.MonkeyPatch) -> Iterator[Prefect]:
    """Return what hears the events."""
    with listening() as server:
        monkeypatch.setenv("PREFECT_API_URL", server.url)
        yield server


@dataclass(frozen=True)
class Gateway:
    """The gateway under test."""

    app: FastAPI
    settings: Settings

    def send(self, body: Body, given: Headers, path: str = "/github", method: str = "POST") -> httpx.Response:
        """Send one request, and return the answer when also what comes after it is done."""

        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
                return await client.request(method, path, content=body, headers=list(given))

        return asyncio.run(ask())

    def deliver(self, payload: object, **how: Any) -> httpx.Response:
        """Send what GitHub sends, signed."""
        body = json.dumps(payload).encode()
        return self.send(body, headers(body, **how))

    def look(self, path: str) -> httpx.Response:
        """Get something."""
        return self.send(b"", [], path, "GET")

    def noted(self) -> list[tuple[str, str, str]]:
        """Return service, branch and commit of every push in the ledger."""
        with connect(self.settings) as ledger:
            rows = ledger.execute("SELECT service, branch, commit FROM arrivals ORDER BY arrived_at").fetchall()
        return [(row["service"], row["branch"], row["commit"]) for row in rows]


def rotating(settings: Settings) -> Settings:
    """Return settings with two secrets, as during a rotation."""
    secrets = {"webhook_secret": SecretStr(SECRET.decode()), "webhook_secret_before": SecretStr(BEFORE.decode())}
    return settings.model_copy(update=secrets)


@pytest.fixture
def service(make_service: Callable[..., Service]) -> Service:
    """Return a service that GitHub tells about."""
    return make_service(github={"repository": NAME, "repository_id": NUMBER})


@pytest.fixture
def gateway(settings: Settings, service: Service, prefect: Prefect) -> Gateway:
    """Return a gateway of one service; Prefect hears of what it takes."""
    assert prefect.events == []
    return Gateway(build(rotating(settings), [service]), settings)
