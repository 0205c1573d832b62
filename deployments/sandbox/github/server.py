"""Serves GitHub on loopback: in a thread for fixtures, or for as long as the process lives."""

import json
from pathlib import Path

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from deployments.sandbox.github import faults
from deployments.sandbox.github.app import create
from deployments.sandbox.github.documents import Site
from deployments.sandbox.github.faults import Fault
from deployments.sandbox.github.state import State
from deployments.sandbox.registry.server import Running, serve
from deployments.sandbox.registry.store import write

APP_PATHS = ("/app/", "/installation")
"""Where an App speaks for itself, with a signed claim instead of a token."""


def start(folder: Path, repository: str, number: int, token: str, *, port: int = 0) -> Running:
    """Serve the GitHub of `folder` in a thread: it knows one repository, and whoever shows `token`; port 0 is any free one."""
    admit(folder, token)
    return serve(application(folder, repository, number), port)


def admit(folder: Path, *tokens: str) -> None:
    """Let whoever shows one of `tokens` do everything."""
    write(folder / "tokens.json", json.dumps(tokens).encode())


def application(folder: Path, repository: str, number: int) -> ASGIApp:
    """Return the GitHub of `folder` as an ASGI application."""
    return _Guarded(folder, repository, number)


class _Guarded:
    """The API behind its faults and its lock; each request is written down."""

    def __init__(self, folder: Path, repository: str, number: int) -> None:
        self._folder = folder
        self._state = State(folder)
        self._tokens = set(json.loads((folder / "tokens.json").read_text()))
        self._repository, self._number = repository, number
        self._apis: dict[str, ASGIApp] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        fault = faults.load(self._folder)
        wrong = await faults.answer(fault) or self._refuse_unknown(request)
        if wrong is not None:
            await wrong(scope, receive, send)
            return
        with self._state.changing() as shown:
            shown.requests.append(f"{request.method} {request.url.path}")
        app = self._api(str(request.base_url).rstrip("/"))
        if fault is not Fault.LOST:
            await app(scope, receive, send)
            return
        await app(scope, receive, _nowhere)
        await faults.lost()(scope, receive, send)

    def _api(self, url: str) -> ASGIApp:
        """Return the API as it is called: its answers name its own address."""
        if url not in self._apis:
            site = Site(url, self._repository, self._number)
            self._apis[url] = create(self._state, site, self._tokens)
        return self._apis[url]

    def _refuse_unknown(self, request: Request) -> Response | None:
        kind, _, shown = request.headers.get("authorization", "").partition(" ")
        path = request.url.path
        if path.startswith(APP_PATHS[0]) or path.endswith(APP_PATHS[1]):
            is_known = kind.lower() == "bearer" and shown.count(".") == 2
        else:
            is_known = shown in self._tokens
        return None if is_known else JSONResponse({"message": "Bad credentials", "status": "401"}, 401)


async def _nowhere(_message: object) -> None:
    """Lose a part of an answer."""
