"""Serves the registry on loopback: in a thread for fixtures, or for as long as the process lives."""

import asyncio
import json
import os
import secrets
import signal
import socket
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from deployments.sandbox.registry import access
from deployments.sandbox.registry.app import create
from deployments.sandbox.registry.store import Store, write

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Running:
    """A server in a thread of this process."""

    host: str
    """`127.0.0.1:PORT`, the first part of an image's name."""
    _server: uvicorn.Server = field(repr=False)
    _thread: threading.Thread = field(repr=False)

    @property
    def url(self) -> str:
        """`http://127.0.0.1:PORT`."""
        return f"http://{self.host}"

    def stop(self) -> None:
        """End the server and wait for it."""
        self._server.should_exit = True
        self._thread.join()


def start(folder: Path, rules: access.Access | None = None, *, port: int = 0) -> Running:
    """Serve the registry of `folder` in a thread; `rules` are written to its `access.json`, port 0 is any free one."""
    if rules is not None:
        access.save(folder, rules)
    return serve(application(folder), port)


def serve(app: ASGIApp, port: int = 0) -> Running:
    """Serve `app` on loopback in a thread; connections are taken from the moment this returns."""
    listener = listen(port)
    server = uvicorn.Server(_config(app))
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    return Running(f"{LOOPBACK}:{listener.getsockname()[1]}", server, thread)


def run(folder: Path, port: int = 0) -> None:
    """Serve the registry of `folder` until a signal ends this process; `ready.json` says where, while it serves."""
    serve_for_ever(application(folder), folder, port)


def serve_for_ever(app: ASGIApp, folder: Path, port: int = 0) -> None:
    """Serve `app` on loopback until a signal ends this process; `ready.json` in `folder` says where, while it serves."""
    # uvicorn ends well and then raises the signal again, which by default would end us before `ready.json` is removed.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit())
    listener = listen(port)
    ready = folder / "ready.json"
    state = {"url": f"http://{LOOPBACK}:{listener.getsockname()[1]}", "pid": os.getpid()}
    write(ready, json.dumps(state).encode())
    try:
        asyncio.run(uvicorn.Server(_config(app)).serve([listener]))
    finally:
        ready.unlink(missing_ok=True)


def application(folder: Path) -> ASGIApp:
    """Return the registry of `folder`, made where it is missing, as an ASGI application."""
    store = Store(folder)
    return create(store, access.Gate(access.load(folder), _key(folder / "token.key")))


def listen(port: int) -> socket.socket:
    """Return a socket that listens on loopback; connections wait in its queue until somebody serves them."""
    # asyncio turns Nagle's algorithm off only where the socket names its protocol: 40 ms less per answer.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((LOOPBACK, port))
    listener.listen(128)
    return listener


def _config(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(app, log_level="warning", access_log=False, ws="none", lifespan="off")


def _key(path: Path) -> bytes:
    if not path.is_file():
        write(path, secrets.token_bytes(32))
        path.chmod(0o600)
    return path.read_bytes()
