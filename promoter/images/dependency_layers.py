"""Makes an image layer of locked dependencies for any platform, and keeps it: equal locks, equal layers."""

import csv
import hashlib
import io
import json
import re
import sys
import tempfile
import uuid
from contextlib import suppress
from pathlib import Path

from uv import find_uv_bin

from promoter.bounds import is_inside
from promoter.config import Dependencies
from promoter.dependencies import LOCKS, export, find_interpreter, hidden
from promoter.errors import CommandError, ConfigurationError, ImageError
from promoter.images import layer_archives
from promoter.images.layer_archives import Layer
from promoter.shell import run

FOLDER = "opt/dependencies"
"""Where the dependencies are in the image."""
TARGETS = {
    "linux/amd64": "x86_64-manylinux_2_28",
    "linux/arm64": "aarch64-manylinux_2_28",
    "darwin/amd64": "x86_64-apple-darwin",
    "darwin/arm64": "aarch64-apple-darwin",
}
"""What uv calls each platform; wheels for glibc 2.28 run on Debian 10 and everything newer."""
TIMEOUT = 900
"""Limit of the installation, in seconds."""
NETWORK = ("error sending request", "Request failed", "dns error", "timed out", "Failed to fetch")
_SHEBANG = re.compile(rb"\A#!(?:/bin/sh\n'''exec' .*\n' '''|.*python[^\n]*)\n")


def requirements_of(checkout: Path, rule: Dependencies, cache: Path) -> str:
    """Return the locked runtime dependencies, pinned and with hashes; kept in `cache`, for Poetry takes seconds to say them.

    Raises ChecksError where the lock file is missing or cannot be exported.
    """
    files = [checkout / rule.directory / name for name in (LOCKS[rule.tool], "pyproject.toml")]
    locked = [file.read_bytes() for file in files if file.is_file() and is_inside(file, checkout)]
    key = hashlib.sha256(b"\0".join([rule.model_dump_json().encode(), *locked])).hexdigest()
    kept = cache / f"{key}.txt"
    if not kept.is_file() or len(locked) < len(files):
        cache.mkdir(parents=True, exist_ok=True)
        new = kept.with_name(f"new-{uuid.uuid4().hex}.txt")
        new.write_text(export(checkout, rule), encoding="utf-8")
        new.replace(kept)
    return kept.read_text(encoding="utf-8")


def layer(requirements: str, platform: str, python: str, cache: Path) -> Layer:
    """Return the layer of `requirements` (pinned, with hashes) for `platform` and a Python version such as `3.11`.

    It is made once and kept in `cache`, whole or not at all; two calls at once are harmless. Raises ImageError.
    """
    if platform not in TARGETS:
        raise ConfigurationError(f"no image layers can be made for {platform}", hint=f"Known: {', '.join(TARGETS)}.")
    kept = cache / _key(requirements, platform, python)
    if not kept.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="new-", dir=cache) as name:
            new = _make(Path(name), requirements, platform, python)
            with suppress(OSError):  # somebody else was faster
                new.rename(kept)
    return Layer(**json.loads((kept / "layer.json").read_text()), content=kept / "layer.tar.gz")


def _key(requirements: str, platform: str, python: str) -> str:
    parts = (requirements, TARGETS[platform], python, FOLDER, "compiled")
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _make(scratch: Path, requirements: str, platform: str, python: str) -> Path:
    installed, new = scratch / "installed", scratch / "layer"
    installed.mkdir()
    new.mkdir()
    if requirements.strip():
        file = scratch / "requirements.txt"
        file.write_text(requirements, encoding="utf-8")
        _install(install_argv(file, installed, platform, python), platform)
        _forget_this_machine(installed)
        _compile(installed, python)
    made = layer_archives.pack(layer_archives.tree(installed, FOLDER), mtime=0)
    (new / "layer.tar.gz").write_bytes(made.read())
    facts = {"digest": made.digest, "size": made.size, "diff_id": made.diff_id}
    (new / "layer.json").write_text(json.dumps(facts))
    return new


def install_argv(requirements: Path, target: Path, platform: str, python: str) -> list[str]:
    """Return the command that installs wheels for `platform` into `target`; nothing of theirs is run."""
    return [
        *(find_uv_bin(), "pip", "install", "--quiet", "--no-deps", "--require-hashes", "--only-binary", ":all:"),
        *("--python", sys.executable, "--python-version", python, "--python-platform", TARGETS[platform]),
        *("--target", str(target), "--requirements", str(requirements)),
    ]


def compile_argv(target: Path, python: str) -> list[str]:
    """Return the command that compiles what lies in `target`, so that no container has to do it at its start.

    The result is bound to the sources' content, not to their time, and names the place in the image: equal locks stay equal layers.
    https://docs.python.org/3/reference/import.html#pyc-invalidation
    """
    return [
        *(str(find_interpreter(python)), "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"),
        *("-s", str(target), "-p", f"/{FOLDER}", str(target)),
    ]


def _compile(target: Path, python: str) -> None:
    # A package may carry files for another Python version, which do not compile: they are left as they are.
    run(compile_argv(target, python), env=hidden() | {"PYTHONHASHSEED": "0"}, timeout=TIMEOUT, check=False)


def _install(argv: list[str], platform: str) -> None:
    try:
        run(argv, env=hidden() | {"UV_PYTHON_DOWNLOADS": "never"}, timeout=TIMEOUT)
    except CommandError as error:
        raise ImageError(
            f"the dependencies cannot be installed for {platform}: {error.message}",
            hint="Each needs a wheel for the platform, with its hash in the lock file.",
            transient=error.transient or any(phrase in error.message for phrase in NETWORK),
        ) from error


def _forget_this_machine(installed: Path) -> None:
    """Take this machine's paths out of what uv wrote, so that every machine makes the same layer."""
    (installed / ".lock").unlink(missing_ok=True)
    for script in (installed / "bin").glob("*"):
        data = script.read_bytes()
        script.write_bytes(_SHEBANG.sub(b"#!/usr/bin/env python3\n", data))
    for record in installed.glob("*.dist-info/RECORD"):
        record.write_text(_without_scripts(record.read_text(encoding="utf-8")), encoding="utf-8")


def _without_scripts(record: str) -> str:
    """Return a RECORD without hashes and sizes of scripts, which the standard allows to be absent."""
    rows = [[row[0], "", ""] if "bin/" in row[0] else row for row in csv.reader(io.StringIO(record)) if row]
    output = io.StringIO()
    csv.writer(output, lineterminator="\n").writerows(sorted(rows))
    return output.getvalue()
