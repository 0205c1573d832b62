"""The client of a registry, against a real one and against ones that lie."""

import asyncio
import gzip
import json
import socket
import tracemalloc
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from deployments.sandbox.registry import Access, Running, User, start
from deployments.sandbox.registry.server import application, serve
from promoter.errors import ConfigurationError, ImageError
from promoter.images import oci
from promoter.registry import Registry
from promoter.registry.login import challenge

PLATFORMS = ("linux/amd64", "linux/arm64")
USERS = {"writer": User("w:ord"), "reader": User("read", ("pull",))}

Serve = Callable[[ASGIApp], Running]


@pytest.fixture(scope="module")
def open_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Serve an open registry; each test has a repository of its own."""
    running = start(tmp_path_factory.mktemp("registry"))
    yield running
    running.stop()


@pytest.fixture
def registry(open_server: Running) -> Iterator[Registry]:
    """Return a client of the open registry."""
    with client(open_server, f"{uuid.uuid4().hex}/api") as opened:
        yield opened


@pytest.fixture(params=["basic", "bearer"])
def guarded(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Running]:
    """Serve a registry that wants to see a password."""
    running = start(tmp_path / "registry", Access(request.param, USERS))
    yield running
    running.stop()


@pytest.fixture
def serving() -> Iterator[Serve]:
    """Serve applications of the test's own making."""
    started: list[Running] = []

    def begin(app: ASGIApp) -> Running:
        started.append(serve(app))
        return started[-1]

    yield begin
    for running in started:
        running.stop()


def client(
    running: Running, name: str = "morpheus/api", user: str | None = None, password: str | None = None
) -> Registry:
    """Return a client of one repository of the server."""
    secret = SecretStr(password or USERS[user].password) if user else None
    return Registry(f"{running.host}/{name}", username=user, password=secret, insecure=True, timeout=5)


def push_image(registry: Registry, tag: str, *, user: str = "10001") -> str:
    """Push a small image for two platforms, with an attestation as Buildx adds it, and return its digest."""
    layer = gzip.compress(b"", mtime=0)
    entries = [_entry(registry, layer, platform, user) for platform in (*PLATFORMS, "unknown/unknown")]
    index = oci.encode({"schemaVersion": 2, "mediaType": oci.INDEX, "manifests": entries})
    return registry.put_manifest(tag, index, oci.INDEX)


def _entry(registry: Registry, layer: bytes, platform: str, user: str) -> oci.Document:
    fields = oci.platform_fields(platform)
    config = oci.encode({**fields, "config": {"User": user}, "rootfs": {"type": "layers", "diff_ids": []}})
    registry.push_blob(layer)
    registry.push_blob(config)
    manifest = {
        "schemaVersion": 2,
        "mediaType": oci.MANIFEST,
        "config": oci.descriptor(oci.CONFIG, config),
        "layers": [oci.descriptor(oci.LAYER, layer)],
    }
    body = oci.encode(manifest)
    registry.put_manifest(oci.digest_of(body), body, oci.MANIFEST)
    return {**oci.descriptor(oci.MANIFEST, body), "platform": fields}


def instead(app: ASGIApp, matches: Callable[[Request], bool], response: Callable[[], Response]) -> ASGIApp:
    """Return `app`, but with `response` in place of its answers to the requests that match."""

    async def changed(scope: Scope, receive: Receive, send: Send) -> None:
        chosen: ASGIApp = response() if scope["type"] == "http" and matches(Request(scope)) else app
        await chosen(scope, receive, send)

    return changed


def always(response: Callable[[], Response]) -> ASGIApp:
    """Return an application that has one answer to everything."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await response()(scope, receive, send)

    return app


def test_what_was_pushed_is_read_back(registry: Registry) -> None:
    """Digest, platforms, configuration and tags of a pushed image are what was pushed."""
    digest = push_image(registry, "v1.0.0")

    assert registry.digest("v1.0.0") == registry.manifest(digest).digest == digest
    assert registry.platforms("v1.0.0") == PLATFORMS
    assert registry.config("v1.0.0", "linux/arm64")["architecture"] == "arm64"
    assert registry.tags() == ["v1.0.0"]


def test_what_is_not_there_is_none(registry: Registry) -> None:
    """A repository or a tag that does not exist is no error to ask for, but one to need."""
    assert registry.digest("v1.0.0") is None
    assert registry.tags() == []
    with pytest.raises(ImageError, match=r"/api has no image 'v1.0.0'"):
        registry.manifest("v1.0.0")


def test_a_retag_keeps_every_platform(registry: Registry) -> None:
    """A second name for the same bytes has the same digest, attestations included."""
    digest = push_image(registry, "v1.0.0")

    registry.tag(digest, "latest")

    assert registry.manifest("latest") == registry.manifest("v1.0.0")


def test_a_missing_platform_is_named(registry: Registry) -> None:
    """Asking for a platform that is not built says which ones are."""
    push_image(registry, "v1.0.0")

    with pytest.raises(ImageError, match="not built for linux/s390x, but for linux/amd64, linux/arm64"):
        registry.config("v1.0.0", "linux/s390x")


def test_an_image_without_an_index_has_the_platform_of_its_configuration(registry: Registry) -> None:
    """A plain manifest counts as an image for one platform."""
    push_image(registry, "v1.0.0")
    child = registry.manifest("v1.0.0").document["manifests"][1]["digest"]

    assert registry.platforms(child) == ("linux/arm64",)
    with pytest.raises(ImageError, match="not built for linux/amd64"):
        registry.config(child, "linux/amd64")


def test_a_blob_is_mounted_from_another_repository(open_server: Running, registry: Registry) -> None:
    """A blob of another repository need not be sent again; one that is not there is not mounted."""
    with client(open_server, "morpheus/base") as base:
        digest = base.push_blob(b"layer")

    assert registry.mount(digest, "morpheus/base")
    assert registry.blob(digest) == b"layer"
    assert not registry.mount(oci.digest_of(b"other"), "morpheus/base")


def test_tags_are_read_to_the_last_page(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """More tags than one page holds are all listed."""
    monkeypatch.setattr("promoter.registry.repository.PAGE", 2)
    digest = push_image(registry, "v1.0.0")
    expected = [f"v1.0.{number}" for number in range(5)]
    for tag in expected:
        registry.tag(digest, tag)

    assert registry.tags() == expected


def test_a_registry_that_asks_lets_the_right_user_in(guarded: Running) -> None:
    """Basic and bearer authentication both work, for reading, writing and mounting."""
    with client(guarded, "morpheus/base", "writer") as base, client(guarded, user="writer") as own:
        layer = base.push_blob(b"layer")
        digest = push_image(own, "v1.0.0")

        assert own.mount(layer, "morpheus/base")
    with client(guarded, user="reader") as reading:
        assert reading.digest("v1.0.0") == digest


@pytest.mark.parametrize(
    ("user", "password"),
    [
        pytest.param("reader", None, id="a reader"),
        pytest.param("writer", "stale-secret", id="a wrong password"),
        pytest.param("nobody", "stale-secret", id="a stranger"),
        pytest.param(None, None, id="nobody"),
    ],
)
def test_refused_credentials_are_said_to_be_refused(guarded: Running, user: str | None, password: str | None) -> None:
    """Who may not push is told so at once, with his name and without his password."""
    with client(guarded, user=user, password=password) as own, pytest.raises(ImageError) as caught:
        own.push_blob(b"layer") if user == "reader" else own.digest("v1.0.0")

    assert f"{guarded.host} refuses the credentials" in caught.value.message
    assert not caught.value.transient
    assert "stale-secret" not in str(caught.value)


def test_a_token_that_ran_out_is_renewed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A registry that no longer takes a token is asked for another one."""
    running = start(tmp_path / "registry", Access("bearer", USERS))
    with client(running, user="writer") as own:
        monkeypatch.setattr("deployments.sandbox.registry.access.LIFETIME", -1)
        with pytest.raises(ImageError, match="refuses"):
            own.digest("v1.0.0")
        monkeypatch.undo()

        assert own.digest("v1.0.0") is None
    running.stop()


def test_a_push_is_not_believed(tmp_path: Path, serving: Serve) -> None:
    """A registry that says yes and keeps nothing is found out, for manifests and for blobs."""
    created = instead(application(tmp_path), lambda request: request.method == "PUT", lambda: Response(status_code=201))
    with client(serving(created)) as own:
        with pytest.raises(ImageError, match="said yes to the blob"):
            own.push_blob(b"layer")
        with pytest.raises(ImageError, match="has nothing there"):
            own.put_manifest("v1.0.0", b"{}", oci.MANIFEST)


@pytest.mark.parametrize(
    ("body", "headers", "expected"),
    [
        pytest.param(b'{"half": ', {}, "no JSON object", id="half an answer"),
        pytest.param(b"[]", {}, "no JSON object", id="a list"),
        pytest.param(b"<html>", {"Content-Type": "text/html"}, "sent text/html", id="a web page"),
        pytest.param(
            b"{}", {"Docker-Content-Digest": f"sha256:{'0' * 64}"}, "which is to be sha256:0000", id="another digest"
        ),
        pytest.param(b'{"manifests": [5]}', {}, "cannot be read", id="a garbled index"),
    ],
)
def test_a_garbled_manifest_is_refused(serving: Serve, body: bytes, headers: dict[str, str], expected: str) -> None:
    """What is no manifest is not taken for one."""
    page = always(lambda: Response(body, headers={"Content-Type": oci.INDEX, **headers}))

    with client(serving(page)) as own, pytest.raises(ImageError, match=expected):
        own.platforms("v1.0.0")


def test_a_blob_with_other_bytes_is_refused(serving: Serve) -> None:
    """The digest of a blob is computed, not believed."""
    with (
        client(serving(always(lambda: Response(b"other")))) as own,
        pytest.raises(ImageError, match="answered sha256:"),
    ):
        own.blob(oci.digest_of(b"layer"))


def test_an_overlong_answer_is_cut_off(serving: Serve) -> None:
    """A registry that sends far too much is not listened to, whether it says yes or no."""

    async def flood() -> AsyncIterator[bytes]:
        for _ in range(256):
            yield b"x" * 65536

    for status in (200, 404, 401):
        answer = always(lambda status=status: StreamingResponse(flood(), status))  # type: ignore[misc]
        with client(serving(answer)) as own:
            if status == 404:
                assert own.digest("v1.0.0") is None
            else:
                with pytest.raises(ImageError, match=r"sends more than the|refuses the credentials"):
                    own.digest("v1.0.0")


def test_an_answer_that_drips_without_an_end_is_given_up(serving: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte comes in time, and the last one never; the registry is not waited for."""
    monkeypatch.setattr("promoter.registry.connection.SLOWEST", 1024**3)

    async def drip() -> AsyncIterator[bytes]:
        for _ in range(600):
            yield b" "
            await asyncio.sleep(0.05)

    running = serving(always(lambda: StreamingResponse(drip())))
    with (
        Registry(f"{running.host}/api", insecure=True, timeout=0.5) as own,
        pytest.raises(ImageError, match="drips, and comes to no end"),
    ):
        own.digest("v1.0.0")


HOSTILE = "\x1b[31m<script>alert(1)</script>\r\n{{7*7}} `rm -rf /`"


def test_what_a_registry_says_is_shown_as_plain_text(serving: Serve) -> None:
    """Its complaint, its content type and its platforms write no colours and no further lines."""
    complaint = json.dumps({"errors": [{"code": "DENIED", "message": HOSTILE}]})
    entry = {"digest": f"sha256:{'0' * 64}", "platform": {"os": HOSTILE, "architecture": "x"}}
    answers = (
        Response(complaint, 403),
        Response(complaint, 400),
        Response("{}", headers={"Content-Type": HOSTILE.replace("\r\n", "")}),
        Response(json.dumps({"manifests": [entry]}), headers={"Content-Type": oci.INDEX}),
    )
    for answer in answers:
        with client(serving(always(lambda answer=answer: answer))) as own, pytest.raises(ImageError) as refused:  # type: ignore[misc]
            own.platform_manifest("v1.0.0", "linux/amd64")

        assert all(one.isprintable() for one in refused.value.message), refused.value.message
        assert "<script>" in refused.value.message


def test_a_packed_answer_is_not_unpacked(serving: Serve) -> None:
    """None was asked for, and a few bytes can be packed gigabytes."""
    bomb = gzip.compress(b" " * 50_000_000)
    headers = {"Content-Type": oci.INDEX, "Content-Encoding": "gzip"}
    with client(serving(always(lambda: Response(bomb, headers=headers)))) as own:
        tracemalloc.start()
        try:
            with pytest.raises(ImageError, match="no JSON object"):
                own.platforms("v1.0.0")
            assert tracemalloc.get_traced_memory()[1] < 10_000_000
        finally:
            tracemalloc.stop()


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_registry_in_trouble_may_be_asked_again(serving: Serve, status: int) -> None:
    """An overloaded or broken registry is a passing trouble."""
    with client(serving(always(lambda: Response(status_code=status)))) as own, pytest.raises(ImageError) as caught:
        own.digest("v1.0.0")

    assert caught.value.transient
    assert str(status) in caught.value.message


def test_a_registry_that_is_not_there_may_be_asked_again() -> None:
    """A refused connection names the registry and is a passing trouble."""
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{unheard.getsockname()[1]}"
        with Registry(f"{host}/morpheus/api", insecure=True) as own, pytest.raises(ImageError, match=host) as caught:
            own.digest("v1.0.0")

    assert caught.value.transient


def test_credentials_are_not_carried_to_where_a_blob_is_kept(tmp_path: Path, serving: Serve) -> None:
    """A redirect to another server, as GHCR uses for blobs, gets the request and no credentials."""
    seen: list[str | None] = []

    def is_blob(request: Request) -> bool:
        return request.method == "GET" and "blobs" in request.url.path

    async def storage(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(Request(scope).headers.get("Authorization"))
        await Response(b"layer")(scope, receive, send)

    kept = serving(storage)
    with client(serving(instead(application(tmp_path), is_blob, lambda: RedirectResponse(f"{kept.url}/x")))) as own:
        own._connection._authorizations["repository:morpheus/api:pull"] = "Bearer token"

        assert own.blob(oci.digest_of(b"layer")) == b"layer"
    assert seen == [None]


def test_credentials_are_not_sent_unencrypted_to_a_token_endpoint() -> None:
    """A challenge that names an http address gets no password, unless the whole registry is plain."""
    with Registry("ghcr.io/morpheus/api", username="writer", password=SecretStr("w:ord")) as own:
        asked = own._connection
        with pytest.raises(ImageError, match=r"unencrypted, to evil\.example"):
            asked._token(challenge('Bearer realm="http://evil.example/token"'), "repository:x:pull")


@pytest.mark.parametrize(
    "repository", ["api", "ghcr.io/", "ghcr.io/Upper/case", "ghcr.io/a/b:v1", "https://ghcr.io/a/b", "ghcr.io/a/../b"]
)
def test_a_wrong_repository_is_refused(repository: str) -> None:
    """What is no repository is a mistake of the configuration, said before anything is asked."""
    with pytest.raises(ConfigurationError, match="is no image repository"):
        Registry(repository)


def test_a_wrong_reference_is_refused(registry: Registry) -> None:
    """What is neither a tag nor a digest is never put in an address."""
    with pytest.raises(ImageError, match="neither a tag nor a digest"):
        registry.digest("../../other/manifests/v1")
