"""A program that nobody here wrote finds in our registry what it knows of others."""

import gzip
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployments.sandbox.registry import Access, Running, User, start
from promoter.images import oci

SKOPEO = shutil.which("skopeo")
USERS = {"writer": User("w:ord"), "reader": User("read", ("pull",))}
PLATFORMS = ("linux/amd64", "linux/arm64")

pytestmark = pytest.mark.skipif(SKOPEO is None, reason="skopeo is not installed (apt-get install skopeo)")


@pytest.fixture(params=["basic", "bearer"])
def registry(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Running]:
    """Serve a registry that asks who is there."""
    running = start(tmp_path / "registry", Access(request.param, USERS))
    yield running
    running.stop()


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    """Write an image for two platforms as an OCI image layout."""
    folder = tmp_path / "layout"
    entries = []
    for platform in PLATFORMS:
        layer = keep(folder, oci.LAYER, gzip.compress(b"", mtime=0))
        config = keep(folder, oci.CONFIG, oci.encode({**oci.platform_fields(platform), "rootfs": {"type": "layers"}}))
        body = {"schemaVersion": 2, "mediaType": oci.MANIFEST, "config": config, "layers": [layer]}
        entries.append({**keep(folder, oci.MANIFEST, oci.encode(body)), "platform": oci.platform_fields(platform)})
    index = {"schemaVersion": 2, "mediaType": oci.INDEX, "manifests": entries}
    top = keep(folder, oci.INDEX, oci.encode(index))
    (folder / "index.json").write_bytes(oci.encode({"schemaVersion": 2, "manifests": [top]}))
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return folder


def keep(folder: Path, media_type: str, data: bytes) -> oci.Document:
    """Write a blob of the layout and return what points at it."""
    entry = oci.descriptor(media_type, data)
    path = folder / "blobs" / "sha256" / entry["digest"].removeprefix("sha256:")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return entry


def skopeo(verb: str, *arguments: str, user: str = "writer") -> subprocess.CompletedProcess[str]:
    """Run skopeo as `user`."""
    password = USERS[user].password if user in USERS else "wrong"
    options = [
        option
        for side in (("src-", "dest-") if verb == "copy" else ("",))
        for option in (f"--{side}tls-verify=false", f"--{side}creds={user}:{password}")
    ]
    command = [SKOPEO or "skopeo", "--insecure-policy", verb, *options, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_skopeo_copies_inspects_and_lists(registry: Running, layout: Path) -> None:
    """An image for two platforms goes in, is copied inside, and reads the same bytes everywhere."""
    image = f"docker://{registry.host}/morpheus/api"
    expected = json.loads((layout / "index.json").read_text())["manifests"][0]["digest"]

    steps = [
        skopeo("copy", "--all", f"oci:{layout}", f"{image}:v1.0.0"),
        skopeo("copy", "--all", f"{image}:v1.0.0", f"{image}-copy:latest"),
    ]
    seen = [
        oci.digest_of(skopeo("inspect", "--raw", name).stdout.encode()) for name in (f"{image}:v1.0.0", f"{image}-copy")
    ]
    config = json.loads(skopeo("inspect", "--config", f"{image}:v1.0.0", user="reader").stdout)
    tags = json.loads(skopeo("list-tags", image, user="reader").stdout)["Tags"]

    assert [step.stderr for step in steps if step.returncode] == []
    assert seen == [expected, expected]
    assert config["architecture"] == "amd64"
    assert tags == ["v1.0.0"]


@pytest.mark.parametrize("user", ["reader", "stranger"])
def test_skopeo_may_not_push_without_the_right(registry: Running, layout: Path, user: str) -> None:
    """Who may only read, or is not known, cannot push."""
    ended = skopeo("copy", "--all", f"oci:{layout}", f"docker://{registry.host}/morpheus/api:v1.0.0", user=user)

    assert ended.returncode != 0


def test_skopeo_deletes_an_image(registry: Running, layout: Path) -> None:
    """A deleted image is gone, with its tags."""
    image = f"docker://{registry.host}/morpheus/api"
    skopeo("copy", "--all", f"oci:{layout}", f"{image}:v1.0.0")

    deleted = skopeo("delete", f"{image}:v1.0.0")

    assert deleted.returncode == 0, deleted.stderr
    assert json.loads(skopeo("list-tags", image).stdout)["Tags"] == []
