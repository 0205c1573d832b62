"""The endpoints of the OCI distribution API, over a store and a gate."""

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from deployments.sandbox.registry import refusals
from deployments.sandbox.registry.access import Gate, Right
from deployments.sandbox.registry.names import digest_in, name_in, page, reference_in
from deployments.sandbox.registry.refusals import Refusal
from deployments.sandbox.registry.store import Store, StoredManifest
from deployments.sandbox.registry.uploads import Uploads
from promoter.images import oci

MANIFEST_LIMIT = 4 * 1024**2
"""The largest manifest that is taken, in bytes."""


class Endpoints:
    """Everything but the uploads."""

    def __init__(self, store: Store, gate: Gate) -> None:
        self._store = store
        self._gate = gate

    async def ping(self, request: Request) -> Response:
        """Say that the API is here, and whether somebody has to log in."""
        self._gate.check_known(request)
        return JSONResponse({})

    async def token(self, request: Request) -> Response:
        """Give a token to a user, or to nobody in particular."""
        return JSONResponse(self._gate.token(request))

    async def catalog(self, request: Request) -> Response:
        """List the repositories."""
        self._gate.check_known(request)
        return page(request, self._store.names(), "repositories")

    async def tags(self, request: Request) -> Response:
        """List the tags of a repository."""
        name = self._open(request, "pull")
        return page(request, self._store.tags(name), "tags", name=name)

    async def read_blob(self, request: Request) -> Response:
        """Answer GET and HEAD, also for a range."""
        name = self._open(request, "pull")
        digest = digest_in(request.path_params["digest"])
        path = self._store.blob(name, digest)
        headers = {"Docker-Content-Digest": digest}
        return FileResponse(path, headers=headers, media_type="application/octet-stream")

    async def delete_blob(self, request: Request) -> Response:
        """Let the repository forget a blob."""
        name = self._open(request, "push")
        self._store.delete_blob(name, digest_in(request.path_params["digest"]))
        return Response(status_code=202)

    async def read_manifest(self, request: Request) -> Response:
        """Answer GET and HEAD with the very bytes that were put."""
        found = self._store.manifest(self._open(request, "pull"), reference_in(request))
        headers = {"Docker-Content-Digest": found.digest}
        return Response(found.body, headers=headers, media_type=found.media_type)

    async def put_manifest(self, request: Request) -> Response:
        """Keep a manifest whose parts are all here."""
        name, reference = self._open(request, "push"), reference_in(request)
        sent = await _read_manifest(request)
        if reference.startswith("sha256:") and reference != sent.digest:
            raise Refusal("DIGEST_INVALID", f"the manifest is {sent.digest}, not {reference}")
        self._check_parts(name, sent)
        tag = None if reference.startswith("sha256:") else reference
        self._store.put_manifest(name, sent.body, sent.media_type, tag)
        headers = {"Location": f"/v2/{name}/manifests/{sent.digest}", "Docker-Content-Digest": sent.digest}
        return Response(status_code=201, headers=headers)

    async def delete_manifest(self, request: Request) -> Response:
        """Forget a tag, or a manifest with its tags."""
        self._store.delete_manifest(self._open(request, "push"), reference_in(request))
        return Response(status_code=202)

    def _open(self, request: Request, right: Right) -> str:
        name = name_in(request)
        self._gate.check(request, name, right)
        return name

    def _check_parts(self, name: str, manifest: StoredManifest) -> None:
        document = oci.decode(manifest.body)
        is_index = manifest.media_type in oci.INDEXES
        has = self._store.has_manifest if is_index else self._store.has_blob
        try:
            parts = document["manifests"] if is_index else [document["config"], *document["layers"]]
            missing = [part["digest"] for part in parts if not has(name, digest_in(part["digest"]))]
        except (KeyError, TypeError) as error:
            raise Refusal("MANIFEST_INVALID", f"the manifest lacks {error}") from error
        if missing:
            raise Refusal("MANIFEST_BLOB_UNKNOWN", f"{name} does not have {', '.join(missing)}")


async def _read_manifest(request: Request) -> StoredManifest:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MANIFEST_LIMIT:
            raise Refusal("SIZE_INVALID", f"a manifest has {MANIFEST_LIMIT} bytes at most")
    media_type = request.headers.get("Content-Type", "").partition(";")[0].strip()
    try:
        inside = oci.decode(body).get("mediaType", media_type)
    except ValueError as error:
        raise Refusal("MANIFEST_INVALID", f"the manifest is no JSON object: {error}") from error
    if media_type not in (*oci.INDEXES, *oci.MANIFESTS) or inside != media_type:
        raise Refusal("MANIFEST_INVALID", f"the manifest is sent as {media_type!r} and calls itself {inside!r}")
    return StoredManifest(body, media_type, oci.digest_of(body))


def create(store: Store, gate: Gate) -> Starlette:
    """Return the registry as an ASGI application."""
    end, uploads = Endpoints(store, gate), Uploads(store, gate)
    session = "/v2/{name:path}/blobs/uploads/{session}"
    return Starlette(
        routes=[
            Route("/v2/", end.ping),
            Route("/token", end.token),
            Route("/v2/_catalog", end.catalog),
            Route("/v2/{name:path}/tags/list", end.tags),
            Route("/v2/{name:path}/blobs/uploads/", uploads.begin, methods=["POST"]),
            Route(session, uploads.show),
            Route(session, uploads.append, methods=["PATCH"]),
            Route(session, uploads.finish, methods=["PUT"]),
            Route(session, uploads.cancel, methods=["DELETE"]),
            Route("/v2/{name:path}/blobs/{digest}", end.read_blob),
            Route("/v2/{name:path}/blobs/{digest}", end.delete_blob, methods=["DELETE"]),
            Route("/v2/{name:path}/manifests/{reference}", end.read_manifest),
            Route("/v2/{name:path}/manifests/{reference}", end.put_manifest, methods=["PUT"]),
            Route("/v2/{name:path}/manifests/{reference}", end.delete_manifest, methods=["DELETE"]),
        ],
        exception_handlers={Refusal: refusals.answer, HTTPException: refusals.answer_unknown},
    )
