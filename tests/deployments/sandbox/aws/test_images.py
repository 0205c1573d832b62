"""Images on disk: what is unpacked, and what is refused."""

import io
import os
import tarfile
from pathlib import Path

import pytest

from deployments.sandbox.aws import tiny_image
from deployments.sandbox.aws.images import ImageStore, Reference, choose, parse
from deployments.sandbox.aws.layers import LayerError, unpack
from deployments.sandbox.aws.process_runtime import command, health_command, variables, working_directory
from deployments.sandbox.aws.refusals import StartError
from deployments.sandbox.aws.runtime import ContainerSpec

DIGEST = "sha256:" + "0" * 64


def layer(*members: tarfile.TarInfo) -> bytes:
    """Return a layer with empty files, links and whatever else."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for member in members:
            archive.addfile(member)
    return buffer.getvalue()


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    """Return one entry of a layer."""
    made = tarfile.TarInfo(name)
    made.type, made.linkname, made.mode = kind, link, 0o755
    return made


def content(root: Path) -> list[str]:
    """Return all files below `root`."""
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_symlink() or path.is_file())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("127.0.0.1:5000/a/b:v1", Reference("127.0.0.1:5000/a/b", "v1", None), id="tag"),
        pytest.param(f"h:1/b:v1@{DIGEST}", Reference("h:1/b", "v1", DIGEST), id="tag and digest"),
        pytest.param(f"h:1/b@{DIGEST}", Reference("h:1/b", None, DIGEST), id="digest"),
        pytest.param("h:1/b", Reference("h:1/b", None, None), id="neither"),
    ],
)
def test_references_are_taken_apart(text: str, expected: Reference) -> None:
    """A colon in the host is no tag."""
    assert parse(text) == expected


def test_layers_hide_and_replace_what_lies_below(tmp_path: Path) -> None:
    """Whiteouts remove single files and whole folders, and a file takes the place of a link."""
    unpack(layer(member("a"), member("b"), member("d/old"), member("l", tarfile.SYMTYPE, "a")), tmp_path)
    unpack(layer(member(".wh.a"), member("d/new"), member("d/.wh..wh..opq"), member("l")), tmp_path)

    assert content(tmp_path) == ["b", "d/new", "l"]
    assert not (tmp_path / "l").is_symlink()


@pytest.mark.parametrize(
    "evil",
    [
        pytest.param([member("../evil")], id="a name with .."),
        pytest.param([member("a/../../evil")], id="a name with .. inside"),
        pytest.param([member("l", tarfile.SYMTYPE, "/etc")], id="an absolute link"),
        pytest.param([member("l", tarfile.SYMTYPE, "../..")], id="a link to the outside"),
        pytest.param([member("l", tarfile.LNKTYPE, "/etc/passwd")], id="an absolute hard link"),
        pytest.param([member("dev", tarfile.CHRTYPE)], id="a device"),
        pytest.param([member("../.wh.kept")], id="a whiteout outside"),
        pytest.param([member("x/..")], id="the folder itself"),
    ],
)
def test_nothing_is_written_outside(evil: list[tarfile.TarInfo], tmp_path: Path) -> None:
    """A layer that reaches outside its folder is refused, and nothing there changes."""
    (tmp_path / "kept").touch()
    root = tmp_path / "root"
    root.mkdir()

    with pytest.raises(LayerError):
        unpack(layer(*evil), root)

    assert content(tmp_path) == ["kept"]


def test_a_broken_layer_is_refused(tmp_path: Path) -> None:
    """What is no archive is an error of ours, with a text."""
    with pytest.raises(LayerError):
        unpack(b"no archive", tmp_path)


def test_the_platform_of_this_machine_is_chosen() -> None:
    """Of an index the first platform that fits is taken; none is an error in ECS's words."""
    index = {
        "manifests": [
            {"digest": "sha256:a", "platform": {"os": "linux", "architecture": "amd64"}},
            {"digest": "sha256:b", "platform": {"os": "linux", "architecture": "arm64", "variant": "v8"}},
        ]
    }

    assert choose(index, ["darwin/arm64", "linux/arm64"]) == "sha256:b"
    with pytest.raises(ValueError, match="descriptor matching platform 'linux/riscv64'"):
        choose(index, ["linux/riscv64"])


def test_a_pinned_image_is_pulled_once(tmp_path: Path, registry_host: str) -> None:
    """Nobody is asked for a digest that is unpacked already, not even when the registry is gone."""
    reference = tiny_image.push(f"{registry_host}/once", "v1", {"app/a": b"a"}, {"Env": ["A=1"]})
    first = ImageStore(tmp_path).pull(reference)
    gone = reference.replace(registry_host, "127.0.0.1:1")

    second = ImageStore(tmp_path).pull(gone)

    assert first == second
    assert (first.root / "app/a").read_bytes() == b"a"
    assert [path.name for path in tmp_path.iterdir()] == [first.digest.replace(":", "-")]


def test_an_image_that_is_not_there_cannot_be_pulled(tmp_path: Path, registry_host: str) -> None:
    """The reason is ECS's, and names the image."""
    with pytest.raises(StartError, match=rf"CannotPullContainerError: .*{registry_host}/nothing:v1"):
        ImageStore(tmp_path).pull(f"{registry_host}/nothing:v1")


def test_a_process_finds_the_folders_of_its_image(tmp_path: Path, registry_host: str) -> None:
    """Paths of the image are pointed into the unpacked copy, others stay; the port of the process stands for the container's."""
    config = {
        "Env": ["PYTHONPATH=/app:/nowhere", "PATH=/app/bin:/usr/bin", "PLAIN=/app", "ROOT=/"],
        "Entrypoint": ["/app/bin/run"],
        "Cmd": ["--port", "8080"],
        "WorkingDir": "/app",
    }
    reference = tiny_image.push(f"{registry_host}/paths", "v1", {"app/bin/run": b"#!/bin/sh\n"}, config)
    image = ImageStore(tmp_path).pull(reference)
    check = ("CMD", "curl", "http://localhost:8080/health")
    spec = ContainerSpec("t", "web", reference, tmp_path, {"A": "1"}, container_port=8080, health_command=check)

    environment = variables(spec, image, 1234, Path("/python"))

    assert working_directory(spec, image) == image.root / "app"
    assert command(spec, image) == [str(image.root / "app/bin/run"), "--port", "8080"]
    assert health_command(spec, image, 1234) == ["curl", "http://localhost:1234/health"]
    assert environment == {
        "HOME": str(tmp_path),
        "LANG": "C.UTF-8",
        "PYTHONPATH": f"{image.root}/app:/nowhere",
        "PLAIN": str(image.root / "app"),
        "ROOT": "/",
        "PATH": os.pathsep.join([str(image.root / "app/bin"), "/python", os.defpath]),
        "A": "1",
        "PORT": "1234",
    }


@pytest.mark.parametrize(
    ("entry_point", "words", "expected"),
    [
        pytest.param(None, None, ["run", "default"], id="the image's own"),
        pytest.param(None, ("other",), ["run", "other"], id="another command"),
        pytest.param(("sh",), None, ["sh"], id="another entry point clears the command"),
        pytest.param(("sh",), ("-c", "x"), ["sh", "-c", "x"], id="both"),
    ],
)
def test_a_definition_replaces_the_command_of_the_image(
    entry_point: tuple[str, ...] | None,
    words: tuple[str, ...] | None,
    expected: list[str],
    tmp_path: Path,
    registry_host: str,
) -> None:
    """As Docker has it: Cmd is arguments of Entrypoint, and a new entry point takes none of the image's."""
    config = {"Entrypoint": ["run"], "Cmd": ["default"]}
    reference = tiny_image.push(f"{registry_host}/commands", "v1", {"a": b""}, config)
    spec = ContainerSpec("t", "web", reference, tmp_path, {}, entry_point=entry_point, command=words)

    assert command(spec, ImageStore(tmp_path / "images").pull(reference)) == expected
