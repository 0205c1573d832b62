"""Layers of sources: equal files give equal bytes, and no file of this machine gets in."""

import os
import tarfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from promoter.config import Dependencies
from promoter.errors import ImageError
from promoter.images import BuildPlan, layer_archives


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Write a few sources."""
    folder = tmp_path / "checkout"
    (folder / "service").mkdir(parents=True)
    (folder / "service" / "__main__.py").write_text("print('ready')\n")
    (folder / "start.sh").write_text("#!/bin/sh\n")
    (folder / "start.sh").chmod(0o700)
    (folder / "service" / "again.py").symlink_to("__main__.py")
    return folder


def members(layer: layer_archives.Layer, folder: Path) -> dict[str, tuple[int, int, str]]:
    """Return mode, time and link target of each member of the layer's archive."""
    file = folder / "layer.tar.gz"
    file.write_bytes(layer.read())
    with tarfile.open(file) as archive:
        return {member.name: (member.mode, int(member.mtime), member.linkname) for member in archive}


def test_sources_are_packed_without_this_machine(checkout: Path, tmp_path: Path) -> None:
    """Modes are plain, times are the commit's, links stay links, and what programs leave behind stays out."""
    (checkout / "service" / "__pycache__").mkdir()
    (checkout / "service" / "__pycache__" / "x.pyc").write_bytes(b"x")

    layer = layer_archives.pack(layer_archives.sources(checkout, ("service", "start.sh")), mtime=1757684723)

    assert members(layer, tmp_path) == {
        "app": (0o755, 1757684723, ""),
        "app/service": (0o755, 1757684723, ""),
        "app/service/__main__.py": (0o644, 1757684723, ""),
        "app/service/again.py": (0o777, 1757684723, "__main__.py"),
        "app/start.sh": (0o755, 1757684723, ""),
    }


@pytest.mark.parametrize("target", ["/etc/passwd", "../../outside", "/app/service/__main__.py"])
def test_a_link_that_leaves_the_context_is_refused(checkout: Path, target: str) -> None:
    """No file of the building machine gets into an image."""
    (checkout.parent / "outside").write_text("secret")
    (checkout / "service" / "link").symlink_to(target)

    with pytest.raises(ImageError, match="is a link that leaves"):
        layer_archives.sources(checkout, ("service",))


@pytest.mark.parametrize("part", ["../outside", "/etc/passwd", "missing"])
def test_an_include_that_is_not_in_the_context_is_refused(checkout: Path, part: str) -> None:
    """A name outside the context, or of nothing, is said to be wrong."""
    with pytest.raises(ImageError, match=r"\[image.layers\] includes"):
        layer_archives.sources(checkout, (part,))


def test_a_context_that_leads_out_of_the_checkout_is_refused(checkout: Path) -> None:
    """A folder that became a link would hand over this machine's files, whichever builder takes them."""
    (checkout / "linked").symlink_to("/etc")
    plan = BuildPlan(
        repository="registry.example/api",
        tag="v1.0.0",
        commit="a" * 40,
        build_time=datetime(2025, 9, 12, tzinfo=UTC),
        platforms=("linux/amd64",),
        checkout=checkout,
        dependencies=Dependencies(tool="poetry"),
    )

    assert plan.context_folder == checkout
    for context in ("linked", "..", "/etc"):
        with pytest.raises(ImageError, match="leaves the checkout"):
            _ = replace(plan, context=context).context_folder


def test_a_file_may_be_called_whatever_it_likes(checkout: Path, tmp_path: Path) -> None:
    """Options, line ends, escapes, markup and what is no text at all are names, and nothing more."""
    names = (
        "-rf",
        "--help",
        "$(touch pwned)",
        "a\nb",
        "\x1b[31mred",
        "<b>",
        "{{7*7}}",
        "'; DROP TABLE x; --",
        "\udcff",
    )
    for name in names:
        (checkout / "service" / name).write_text("x")

    packed = members(layer_archives.pack(layer_archives.sources(checkout, ("service",)), mtime=0), tmp_path)

    assert {f"app/service/{name}" for name in names} <= set(packed)
    assert not Path("pwned").exists()


def test_something_that_is_no_file_is_refused(checkout: Path) -> None:
    """A pipe cannot be part of an image."""
    os.mkfifo(checkout / "service" / "pipe")

    with pytest.raises(ImageError, match="neither a file nor a folder nor a link"):
        layer_archives.sources(checkout, ("service",))
