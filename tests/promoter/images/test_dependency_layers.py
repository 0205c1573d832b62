"""Layers of locked dependencies: for any platform, made once, and without a trace of this machine."""

import hashlib
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from promoter.errors import ConfigurationError, ImageError
from promoter.images import dependency_layers

BOTH = ("linux/amd64", "linux/arm64")


def test_dependencies_are_made_once_for_each_lock(tmp_path: Path) -> None:
    """The same requirements, platform and Python have one layer, which is not made again."""
    made = [dependency_layers.layer("", platform, "3.11", tmp_path) for platform in (*BOTH, "linux/amd64")]

    assert made[0] == made[2]
    assert len(list(tmp_path.iterdir())) == 2


def test_a_damaged_cache_is_found_out(tmp_path: Path) -> None:
    """A layer that was changed on disk is not pushed."""
    made = dependency_layers.layer("", "linux/amd64", "3.11", tmp_path)
    Path(str(made.content)).write_bytes(b"garbled")

    with pytest.raises(ImageError, match="was changed in"):
        made.read()


def test_scripts_and_records_forget_this_machine(tmp_path: Path) -> None:
    """An installed script starts whatever Python the container has, and its hash is not recorded."""
    for part in ("bin", "tool-1.dist-info"):
        (tmp_path / part).mkdir()
    (tmp_path / "bin" / "tool").write_text(f"#!{sys.executable}\nimport sys\n")
    (tmp_path / "bin" / "long").write_text(f"#!/bin/sh\n'''exec' {sys.executable} \"$0\" \"$@\"\n' '''\nimport sys\n")
    (tmp_path / "tool-1.dist-info" / "RECORD").write_text("tool.py,sha256=a,1\nbin/tool,sha256=b,2\n")

    dependency_layers._forget_this_machine(tmp_path)

    assert {path.read_text() for path in (tmp_path / "bin").iterdir()} == {"#!/usr/bin/env python3\nimport sys\n"}
    assert (tmp_path / "tool-1.dist-info" / "RECORD").read_text() == "bin/tool,,\ntool.py,sha256=a,1\n"


def test_a_dependency_without_a_wheel_says_so(tmp_path: Path) -> None:
    """A requirement that cannot be installed names the platform, and leaves nothing in the cache."""
    missing = f"promoter-has-no-such-package @ file://{tmp_path}/none-1-py3-none-any.whl --hash=sha256:{'0' * 64}\n"

    with pytest.raises(ImageError, match="cannot be installed for linux/arm64"):
        dependency_layers.layer(missing, "linux/arm64", "3.11", tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_wheel_from_a_lock_gets_into_the_layer(tmp_path: Path) -> None:
    """A pinned wheel is installed for a platform that this machine is not."""
    wheel = tmp_path / "tool-1-py3-none-any.whl"
    digest = write_wheel(wheel)

    layer = dependency_layers.layer(
        f"tool @ file://{wheel} --hash=sha256:{digest}\n", "darwin/arm64", "3.11", tmp_path / "cache"
    )

    with tarfile.open(str(layer.content)) as archive:
        modes = {member.name: member.mode for member in archive}
    assert {"opt/dependencies/tool.py": 0o644, "opt/dependencies/bin/tool": 0o755}.items() < modes.items()


def test_an_unknown_platform_is_a_mistake_of_the_configuration(tmp_path: Path) -> None:
    """A platform that uv has no name for is refused, with those that it has."""
    with pytest.raises(ConfigurationError, match="linux/s390x"):
        dependency_layers.layer("", "linux/s390x", "3.11", tmp_path)


def write_wheel(path: Path) -> str:
    """Write a wheel with one module and one script, and return its sha256."""
    info = "tool-1.dist-info"
    files = {
        "tool.py": "def main() -> None:\n    print('tool')\n",
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: tool\nVersion: 1\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": "[console_scripts]\ntool = tool:main\n",
    }
    record = "".join(f"{name},,\n" for name in (*files, f"{info}/RECORD"))
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in {**files, f"{info}/RECORD": record}.items():
            archive.writestr(name, text)
    return hashlib.sha256(path.read_bytes()).hexdigest()
