"""How blobs come in: in one request, in chunks, or from another repository."""

from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from deployments.sandbox.registry.access import Gate
from deployments.sandbox.registry.names import digest_in, name_in
from deployments.sandbox.registry.refusals import Refusal
from deployments.sandbox.registry.store import Store


class Uploads:
    """The endpoints under `/v2/NAME/blobs/uploads/`."""

    def __init__(self, store: Store, gate: Gate) -> None:
        self._store = store
        self._gate = gate

    async def begin(self, request: Request) -> Response:
        """Begin an upload; with `mount` take a blob over, with `digest` take the body for all of it."""
        name = self._writable(request)
        query = request.query_params
        if "mount" in query and "from" in query:
            digest = digest_in(query["mount"])
            if self._gate.allows(request, query["from"], "pull") and self._store.mount(name, digest, query["from"]):
                return _created(name, digest)
        session = self._store.begin_upload(name)
        if "digest" in query:
            return await self._finish(request, name, session)
        return self._state(202, name, session)

    async def append(self, request: Request) -> Response:
        """Take one more chunk, which has to begin where the last one ended."""
        name, session = self._writable(request), request.path_params["session"]
        path = self._store.upload(name, session)
        _check_start(request, path.stat().st_size)
        await _receive(request, path)
        return self._state(202, name, session)

    async def finish(self, request: Request) -> Response:
        """Take the last bytes and make a blob of it."""
        return await self._finish(request, self._writable(request), request.path_params["session"])

    async def show(self, request: Request) -> Response:
        """Say how far an upload is."""
        return self._state(204, self._writable(request), request.path_params["session"])

    async def cancel(self, request: Request) -> Response:
        """Drop an upload."""
        self._store.upload(self._writable(request), request.path_params["session"]).unlink()
        return Response(status_code=204)

    def _writable(self, request: Request) -> str:
        name = name_in(request)
        self._gate.check(request, name, "push")
        return name

    async def _finish(self, request: Request, name: str, session: str) -> Response:
        digest = digest_in(request.query_params.get("digest", ""))
        path = self._store.upload(name, session)
        _check_start(request, path.stat().st_size)
        await _receive(request, path)
        await run_in_threadpool(self._store.finish_upload, name, session, digest)
        return _created(name, digest)

    def _state(self, status: int, name: str, session: str) -> Response:
        size = self._store.upload(name, session).stat().st_size
        headers = {
            "Location": f"/v2/{name}/blobs/uploads/{session}",
            "Range": f"0-{max(size - 1, 0)}",
            "Docker-Upload-UUID": session,
        }
        return Response(status_code=status, headers=headers)


async def _receive(request: Request, path: Path) -> None:
    file = await run_in_threadpool(path.open, "ab")
    with file:
        async for chunk in request.stream():
            file.write(chunk)


def _check_start(request: Request, size: int) -> None:
    start = request.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0]
    if start and start != str(size):
        raise Refusal("BLOB_UPLOAD_INVALID", f"the next chunk begins at {size}, not at {start}")


def _created(name: str, digest: str) -> Response:
    headers = {"Location": f"/v2/{name}/blobs/{digest}", "Docker-Content-Digest": digest}
    return Response(status_code=201, headers=headers)
