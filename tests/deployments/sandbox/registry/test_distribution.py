"""The registry keeps to the distribution specification, in what it does and in how it says no."""

import hashlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from deployments.sandbox.registry import Access, Running, User, start
from promoter.images import oci

BLOB = b"0123456789"
DIGEST = oci.digest_of(BLOB)
UNKNOWN = f"sha256:{'0' * 64}"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Running]:
    """Serve an open, empty registry."""
    running = start(tmp_path / "registry")
    yield running
    running.stop()


@pytest.fixture
def http(server: Running) -> Iterator[httpx.Client]:
    """Speak plain HTTP with the registry."""
    with httpx.Client(base_url=server.url) as client:
        yield client


def put_image(http: httpx.Client, name: str, tag: str) -> str:
    """Push an image of one blob, which is its configuration, and return its digest."""
    config = b"{}"
    http.post(f"/v2/{name}/blobs/uploads/", params={"digest": oci.digest_of(config)}, content=config)
    body = oci.encode(
        {
            "schemaVersion": 2,
            "mediaType": oci.MANIFEST,
            "config": oci.descriptor(oci.CONFIG, config),
            "layers": [],
        }
    )
    answer = http.put(f"/v2/{name}/manifests/{tag}", content=body, headers={"Content-Type": oci.MANIFEST})
    assert answer.status_code == 201, answer.text
    return answer.headers["Docker-Content-Digest"]


def code(answer: httpx.Response) -> tuple[int, str]:
    """Return status and the specification's code of a refusal."""
    return answer.status_code, answer.json()["errors"][0]["code"]


def test_a_blob_comes_in_one_request(http: httpx.Client) -> None:
    """POST with a digest stores the body at once."""
    answer = http.post("/v2/a/b/blobs/uploads/", params={"digest": DIGEST}, content=BLOB)

    assert (answer.status_code, answer.headers["Location"]) == (201, f"/v2/a/b/blobs/{DIGEST}")
    assert http.get(answer.headers["Location"]).content == BLOB


def test_a_blob_comes_in_chunks(http: httpx.Client) -> None:
    """Chunks follow each other without a gap, and the last request says what they are."""
    location = http.post("/v2/a/b/blobs/uploads/").headers["Location"]

    first = http.patch(location, content=BLOB[:4], headers={"Content-Range": "0-3"})
    gap = http.patch(location, content=BLOB[6:], headers={"Content-Range": "6-9"})
    state = http.get(location)
    last = http.put(location, params={"digest": DIGEST}, content=BLOB[4:])

    assert (first.status_code, first.headers["Range"]) == (202, "0-3")
    assert code(gap) == (416, "BLOB_UPLOAD_INVALID")
    assert (state.status_code, state.headers["Range"]) == (204, "0-3")
    assert last.status_code == 201
    assert http.get(f"/v2/a/b/blobs/{DIGEST}").content == BLOB


def test_a_blob_with_another_digest_is_not_kept(http: httpx.Client) -> None:
    """Bytes that are not what they are said to be are refused, and the upload is over."""
    location = http.post("/v2/a/b/blobs/uploads/").headers["Location"]

    refused = http.put(location, params={"digest": DIGEST}, content=b"other")

    assert code(refused) == (400, "DIGEST_INVALID")
    assert code(http.get(location)) == (404, "BLOB_UPLOAD_UNKNOWN")
    assert http.head(f"/v2/a/b/blobs/{DIGEST}").status_code == 404


def test_an_upload_can_be_cancelled(http: httpx.Client) -> None:
    """A cancelled upload is unknown."""
    location = http.post("/v2/a/b/blobs/uploads/").headers["Location"]

    assert http.delete(location).status_code == 204
    assert code(http.delete(location)) == (404, "BLOB_UPLOAD_UNKNOWN")


def test_a_part_of_a_blob_can_be_asked_for(http: httpx.Client) -> None:
    """A range is answered as a range, and HEAD says the size of all."""
    http.post("/v2/a/b/blobs/uploads/", params={"digest": DIGEST}, content=BLOB)

    part = http.get(f"/v2/a/b/blobs/{DIGEST}", headers={"Range": "bytes=2-4"})
    head = http.head(f"/v2/a/b/blobs/{DIGEST}")

    assert (part.status_code, part.content) == (206, BLOB[2:5])
    assert (head.status_code, head.headers["Content-Length"], head.content) == (200, "10", b"")


def test_a_blob_is_mounted_or_has_to_be_sent(http: httpx.Client) -> None:
    """Mounting what the other repository lacks begins an upload instead."""
    http.post("/v2/a/b/blobs/uploads/", params={"digest": DIGEST}, content=BLOB)

    mounted = http.post("/v2/c/d/blobs/uploads/", params={"mount": DIGEST, "from": "a/b"})
    begun = http.post("/v2/c/d/blobs/uploads/", params={"mount": UNKNOWN, "from": "a/b"})

    assert (mounted.status_code, begun.status_code) == (201, 202)
    assert http.get(f"/v2/c/d/blobs/{DIGEST}").content == BLOB


def test_a_blob_of_another_repository_is_not_shown(http: httpx.Client) -> None:
    """What one repository holds is unknown in the next, although the bytes lie in the same place."""
    http.post("/v2/a/b/blobs/uploads/", params={"digest": DIGEST}, content=BLOB)

    assert code(http.get(f"/v2/c/d/blobs/{DIGEST}")) == (404, "BLOB_UNKNOWN")


def test_a_manifest_whose_parts_are_missing_is_refused(http: httpx.Client) -> None:
    """Neither an image without its layers nor an index without its images is kept."""
    part = {"mediaType": oci.LAYER, "digest": UNKNOWN, "size": 1}
    image = {"config": part, "layers": []}
    index = {"manifests": [part]}

    for media_type, document in ((oci.MANIFEST, image), (oci.INDEX, index)):
        answer = http.put("/v2/a/b/manifests/v1", content=oci.encode(document), headers={"Content-Type": media_type})
        assert code(answer) == (400, "MANIFEST_BLOB_UNKNOWN")


@pytest.mark.parametrize(
    ("path", "body", "media_type", "expected"),
    [
        pytest.param("v1", b"{", oci.MANIFEST, "MANIFEST_INVALID", id="half JSON"),
        pytest.param("v1", b"{}", "text/plain", "MANIFEST_INVALID", id="no manifest's type"),
        pytest.param("v1", b"{}", oci.MANIFEST, "MANIFEST_INVALID", id="no configuration"),
        pytest.param("v1", b'{"mediaType": "x"}', oci.INDEX, "MANIFEST_INVALID", id="two types"),
        pytest.param(UNKNOWN, b"{}", oci.MANIFEST, "DIGEST_INVALID", id="another digest"),
        pytest.param("v1;id", b"{}", oci.MANIFEST, "MANIFEST_INVALID", id="no tag"),
        pytest.param("v1", b" " * (4 * 1024**2 + 1), oci.MANIFEST, "SIZE_INVALID", id="too large"),
    ],
)
def test_what_is_no_manifest_is_refused(
    http: httpx.Client, path: str, body: bytes, media_type: str, expected: str
) -> None:
    """Garbage gets the specification's code for it."""
    answer = http.put(f"/v2/a/b/manifests/{path}", content=body, headers={"Content-Type": media_type})

    assert answer.json()["errors"][0]["code"] == expected


@pytest.mark.parametrize("name", ["A/b", "a//b", "_blobs/a", "a/..%2f..%2fetc", "a" * 256])
def test_what_is_no_name_is_refused(http: httpx.Client, name: str) -> None:
    """A name outside the grammar reaches no file."""
    assert code(http.get(f"/v2/{name}/tags/list")) == (400, "NAME_INVALID")


def test_tags_and_repositories_come_in_pages(http: httpx.Client) -> None:
    """Each page says where the next one is; the last does not."""
    for number in range(3):
        put_image(http, "a/b", f"v{number}")
    put_image(http, "a/c", "v0")

    first = http.get("/v2/a/b/tags/list", params={"n": 2})
    second = http.get(first.links["next"]["url"])
    catalog = http.get("/v2/_catalog", params={"n": 1, "last": "a/b"})

    assert (first.json(), second.json()) == ({"name": "a/b", "tags": ["v0", "v1"]}, {"name": "a/b", "tags": ["v2"]})
    assert second.links == {}
    assert catalog.json() == {"repositories": ["a/c"]}
    assert code(http.get("/v2/a/b/tags/list", params={"n": "many"})) == (400, "PAGINATION_NUMBER_INVALID")
    assert code(http.get("/v2/a/d/tags/list")) == (404, "NAME_UNKNOWN")


def test_a_deleted_manifest_takes_its_tags_along(http: httpx.Client) -> None:
    """Deleting a tag leaves the image, deleting the image leaves no tag."""
    digest = put_image(http, "a/b", "v1")
    put_image(http, "a/b", "v2")

    by_tag = http.delete("/v2/a/b/manifests/v2")
    still = http.head(f"/v2/a/b/manifests/{digest}")
    by_digest = http.delete(f"/v2/a/b/manifests/{digest}")

    assert [answer.status_code for answer in (by_tag, still, by_digest)] == [202, 200, 202]
    assert http.get("/v2/a/b/tags/list").json()["tags"] == []


def test_what_the_interface_does_not_have_is_said_in_its_words(http: httpx.Client) -> None:
    """Unknown paths and methods get the specification's codes too."""
    assert code(http.get("/v2/a/b/nothing")) == (404, "NAME_UNKNOWN")
    assert code(http.patch("/v2/a/b/manifests/v1")) == (405, "UNSUPPORTED")


def test_a_token_holds_no_more_than_its_user_may(tmp_path: Path) -> None:
    """A reader who asks for the right to push gets a token to pull; a forged or altered token is worth nothing."""
    running = start(tmp_path, Access("bearer", {"reader": User("read", ("pull",))}, anonymous=("pull",)))
    with httpx.Client(base_url=running.url) as http:
        scope = {"scope": "repository:a/b:pull,push"}
        token = http.get("/token", params=scope, auth=("reader", "read")).json()["token"]
        anonymous = http.get("/token", params=scope).json()["token"]
        wrong = http.get("/token", params=scope, auth=("reader", "guess"))
        for good in (token, anonymous):
            answers = [
                http.get("/v2/a/b/manifests/v1", headers={"Authorization": f"Bearer {good}"}),
                http.post("/v2/a/b/blobs/uploads/", headers={"Authorization": f"Bearer {good}"}),
                http.get("/v2/a/c/manifests/v1", headers={"Authorization": f"Bearer {good}"}),
                http.get("/v2/a/b/manifests/v1", headers={"Authorization": f"Bearer {good[:-2]}"}),
            ]
            assert [answer.status_code for answer in answers] == [404, 401, 401, 401]
        challenge = http.get("/v2/").headers["WWW-Authenticate"]
    running.stop()

    assert code(wrong) == (401, "UNAUTHORIZED")
    assert challenge == f'Bearer realm="{running.url}/token",service="{running.host}"'


def test_what_is_kept_outlives_the_server(tmp_path: Path) -> None:
    """A second server on the same folder has the images of the first."""
    for _ in range(2):
        running = start(tmp_path)
        with httpx.Client(base_url=running.url) as http:
            digest = put_image(http, "a/b", "v1")
            seen = hashlib.sha256(http.get("/v2/a/b/manifests/v1").content).hexdigest()
        running.stop()
        assert digest == f"sha256:{seen}"


def test_the_program_says_when_and_where_it_serves(tmp_path: Path) -> None:
    """`ready.json` is there while the program serves, and gone when a signal has ended it."""
    ready = tmp_path / "ready.json"
    program = subprocess.Popen([sys.executable, "-m", "deployments.sandbox.registry", "--folder", tmp_path])
    try:
        while not ready.is_file():
            assert program.poll() is None
            time.sleep(0.02)
        said = json.loads(ready.read_text())

        assert said["pid"] == program.pid
        assert httpx.get(f"{said['url']}/v2/").status_code == 200
    finally:
        program.send_signal(signal.SIGTERM)
        program.wait(10)
    assert not ready.exists()
