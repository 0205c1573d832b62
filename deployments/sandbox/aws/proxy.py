"""Passes HTTP requests on to targets, and tries the next one where a target cannot be reached."""

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

import httpx

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

HOP_BY_HOP = {b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade"}
REPEATABLE = {"GET", "HEAD", "OPTIONS"}
TIMEOUT = httpx.Timeout(60, connect=2)
"""The idle timeout of an Application Load Balancer is 60 s."""
TRIES = 4


class Choose(Protocol):
    """Hands out a healthy target's port for one request, or None; the target counts as busy meanwhile."""

    def __call__(self, passed_over: Iterable[int]) -> AbstractContextManager[int | None]:
        """Choose among all but the ports in `passed_over`."""


class Proxy:
    """The ASGI application behind one listener."""

    def __init__(self, choose: Choose) -> None:
        self._choose = choose
        self._client = httpx.AsyncClient(
            timeout=TIMEOUT, trust_env=False, limits=httpx.Limits(max_connections=None, max_keepalive_connections=0)
        )

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return None
        body = await _body(receive)
        failed: list[int] = []
        while len(failed) < TRIES:
            with self._choose(failed) as port:
                if port is None:
                    break
                try:
                    response = await self._client.send(_request(scope, body, port), stream=True)
                except (httpx.ConnectError, httpx.ConnectTimeout):
                    failed.append(port)
                    continue
                except httpx.TransportError:
                    if scope["method"] not in REPEATABLE:
                        return await _refuse(send, 502, "Bad Gateway")
                    failed.append(port)
                    continue
                return await _relay(response, send)
        if failed:
            return await _refuse(send, 502, "Bad Gateway")
        return await _refuse(send, 503, "Service Temporarily Unavailable")


async def _body(receive: Receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


def _request(scope: Message, body: bytes, port: int) -> httpx.Request:
    query = scope["query_string"]
    target = scope["raw_path"] + (b"?" + query if query else b"")
    headers = [(name, value) for name, value in scope["headers"] if name not in HOP_BY_HOP | {b"content-length"}]
    client = scope["client"][0] if scope.get("client") else "127.0.0.1"
    headers += [(b"x-forwarded-for", client.encode()), (b"x-forwarded-proto", b"http")]
    url = httpx.URL(scheme="http", host="127.0.0.1", port=port, raw_path=target)
    return httpx.Request(scope["method"], url, headers=headers, content=body)


async def _relay(response: httpx.Response, send: Send) -> None:
    headers = [(name.lower(), value) for name, value in response.headers.raw if name.lower() not in HOP_BY_HOP]
    try:
        await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
        async for part in response.aiter_raw():
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    finally:
        await response.aclose()


async def _refuse(send: Send, status: int, reason: str) -> None:
    """Answer as an Application Load Balancer does."""
    title = f"{status} {reason}"
    page = f"<html>\n<head><title>{title}</title></head>\n<body>\n<center><h1>{title}</h1></center>\n</body>\n</html>\n"
    headers = [
        (b"server", b"awselb/2.0"),
        (b"content-type", b"text/html"),
        (b"content-length", str(len(page)).encode()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": page.encode()})
