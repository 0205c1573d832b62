"""The target's locked dependencies: checked, exported, installed; never locked anew."""

import hashlib
import os
import platform
import shutil
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from uv import find_uv_bin

from promoter.bounds import is_inside
from promoter.config import Dependencies
from promoter.errors import ChecksError, CommandError
from promoter.shell import Output, failure, run

LOCKS = {"poetry": "poetry.lock", "uv": "uv.lock"}
HIDDEN = ("AWS_", "CODECOV_", "GH_", "GITHUB_", "PG", "POETRY_ACTIVE", "PREFECT_", "PROMOTER_", "PYTEST_", "PYTHON")
"""Beginnings of the names in our own environment that are no business of the target's code, secrets above all."""
NETWORK = ("Failed to fetch", "error sending request", "Request failed", "dns error", "timed out")
"""What uv says when the registry, not the lock file, is the trouble."""
ABANDONED = 24 * 3600
"""Age in seconds of a half-made environment that nobody can still be at work on."""


@dataclass(frozen=True)
class Environment:
    """A virtual environment with exactly the locked dependencies; the service itself is not installed."""

    python: Path
    """The interpreter in it."""
    key: str
    """Names what it was made from: lock file, groups, Python and platform."""
    created: bool
    """False where it was there already."""

    def variables(self, source: Path) -> dict[str, str]:
        """Return what `shell.run` takes as `env` to run code below `source`, which can be imported, in here.

        Our own PREFECT_, PROMOTER_ and AWS_ variables, and whatever else would leak into the target, are removed.
        """
        folders = [source, *(folder for folder in (source / "src",) if folder.is_dir())]
        return hidden() | {
            "PATH": f"{self.python.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "VIRTUAL_ENV": str(self.python.parents[1]),
            "PYTHONPATH": os.pathsep.join(map(str, folders)),
            "PYTHONDONTWRITEBYTECODE": "1",
        }


def check_lock(checkout: Path, rule: Dependencies, *, cache: Path | None = None) -> None:
    """Raise ChecksError unless the lock file exists and fits its `pyproject.toml`; nothing is written to the checkout.

    What Poetry found good is remembered below `cache` by the content of both files: its start alone takes most of a second.
    """
    lock = _lock(checkout, rule)
    if rule.tool == "uv":
        _require_fit(_uv_project(lock, rule, "lock", "--check"), checkout, lock)
        return
    both = lock.with_name("pyproject.toml").read_bytes() + b"\0" + lock.read_bytes()
    proof = None if cache is None else cache / "locks" / hashlib.sha256(both).hexdigest()
    if proof is None or not proof.exists():
        _require_fit(_poetry(lock.parent, "check", "--lock"), checkout, lock)
    if proof is not None:
        proof.parent.mkdir(parents=True, exist_ok=True)
        proof.touch()


def _require_fit(output: Output, checkout: Path, lock: Path) -> None:
    if output.code != 0:
        raise ChecksError(
            f"{_shown(checkout, lock)} does not fit its pyproject.toml: {failure(output)}",
            hint=f"Run `{lock.stem} lock`, look at what changed, and commit it; it is never locked anew here.",
            transient=_is_network(output),
        )


def export(checkout: Path, rule: Dependencies, *, groups: tuple[str, ...] = ()) -> str:
    """Return the locked dependencies, and those of `groups`, as pinned requirements with hashes; the service is not among them."""
    lock = _lock(checkout, rule)
    output = _export_poetry(lock, groups) if rule.tool == "poetry" else _export_uv(lock, rule, groups)
    if output.code != 0:
        raise ChecksError(
            f"{_shown(checkout, lock)} cannot be exported: {failure(output)}",
            hint="Check the groups and the package in [dependencies] of the service's file.",
            transient=_is_network(output),
        )
    return output.stdout


def environment(checkout: Path, rule: Dependencies, *, cache: Path, groups: tuple[str, ...] = ()) -> Environment:
    """Return the virtual environment of the lock file below `cache`; made at the first call, whole or not at all.

    Two calls at once are harmless. Raises ChecksError, also where the Python of `rule` is absent: none is downloaded.
    """
    lock = _lock(checkout, rule)
    interpreter = find_interpreter(rule.python)
    key = _key(lock, rule, groups, interpreter)
    home = cache / "environments"
    target = home / key
    if target.is_dir():
        return Environment(target / "bin" / "python", key, created=False)
    requirements = export(checkout, rule, groups=groups)
    home.mkdir(parents=True, exist_ok=True)
    _sweep(home)
    with tempfile.TemporaryDirectory(prefix="new-", dir=home, ignore_cleanup_errors=True) as name:
        new = Path(name) / "environment"
        _install(new, interpreter, requirements, lock)
        with suppress(OSError):  # somebody else was faster
            new.rename(target)
    return Environment(target / "bin" / "python", key, created=True)


def hidden() -> dict[str, str]:
    """Return "" for each variable of this process that the target's code must not see."""
    return {name: "" for name in os.environ if name.startswith(HIDDEN) or name == "VIRTUAL_ENV"}


def _lock(checkout: Path, rule: Dependencies) -> Path:
    lock = checkout / rule.directory / LOCKS[rule.tool]
    for file, remedy in (
        (lock.with_name("pyproject.toml"), "Name the right folder in [dependencies] of the service's file."),
        (lock, f"Run `{rule.tool} lock` and commit the file; nothing is ever locked here."),
    ):
        if not file.is_file():
            raise ChecksError(f"{_shown(checkout, file)} does not exist", hint=remedy)
        if not is_inside(file, checkout):
            raise ChecksError(
                f"{_shown(checkout, file)} is a link that leaves the checkout", hint="Commit the file itself."
            )
    return lock


def _shown(checkout: Path, file: Path) -> str:
    return os.path.relpath(file, checkout)


def _poetry(project: Path, *arguments: str) -> Output:
    command = [sys.executable, "-m", "poetry", *arguments, "--no-interaction", "--no-ansi"]
    return run(command, cwd=project, env=hidden(), timeout=120, check=False)


def _uv(cwd: Path, *arguments: str | Path) -> Output:
    env = hidden() | {"UV_PYTHON_DOWNLOADS": "never"}
    return run([find_uv_bin(), *arguments], cwd=cwd, env=env, timeout=900, check=False)


def _uv_project(lock: Path, rule: Dependencies, *arguments: str) -> Output:
    return _uv(lock.parent, *arguments, "--python", find_interpreter(rule.python))


def _export_poetry(lock: Path, groups: tuple[str, ...]) -> Output:
    chosen = [f"--with={','.join(groups)}"] if groups else []
    return _poetry(lock.parent, "export", "--without-urls", *chosen)


def _export_uv(lock: Path, rule: Dependencies, groups: tuple[str, ...]) -> Output:
    chosen = [f"--group={group}" for group in groups]
    package = [f"--package={rule.package}"] if rule.package else []
    options = ("--locked", "--no-header", "--no-annotate", "--no-emit-local", "--no-default-groups", "--quiet")
    return _uv_project(lock, rule, "export", *options, *package, *chosen)


def find_interpreter(python: str) -> Path:
    """Return the interpreter of a Python version such as `3.11`; raise ChecksError if this machine has none."""
    output = _uv(Path("/"), "python", "find", "--system", "--no-project", python)
    if output.code != 0:
        raise ChecksError(
            f"Python {python} is not on this machine: {output.stderr.strip()}",
            hint=f"Install Python {python} where this runs (`uv python install {python}` does it).",
        )
    return Path(output.stdout.strip()).resolve()


def _key(lock: Path, rule: Dependencies, groups: tuple[str, ...], interpreter: Path) -> str:
    parts = (
        rule.tool,
        rule.package,
        sorted(groups),
        str(interpreter),
        interpreter.stat().st_mtime_ns,
        platform.platform(),
    )
    return hashlib.sha256(repr(parts).encode() + lock.read_bytes()).hexdigest()[:32]


def _install(new: Path, interpreter: Path, requirements: str, lock: Path) -> None:
    """Make the virtual environment `new`, which can be moved, and fill it with `requirements`."""
    file = new.with_name("requirements.txt")
    file.write_text(requirements, encoding="utf-8")
    commands = (
        ("venv", "--quiet", "--no-project", "--relocatable", "--python", interpreter, new),
        (
            "pip",
            "sync",
            "--quiet",
            "--require-hashes",
            "--allow-empty-requirements",
            "--compile-bytecode",  # the target writes none, and would compile everything at every start
            "--python",
            new / "bin" / "python",
            file,
        ),
    )
    for command in commands:
        try:
            output = _uv(lock.parent, *command)
        except CommandError as error:
            raise ChecksError(
                f"the dependencies of {lock.name} cannot be installed: {error.message}", transient=True
            ) from error
        if output.code != 0:
            raise ChecksError(
                f"the dependencies of {lock.name} cannot be installed: {failure(output)}",
                hint="Every dependency needs a hash in the lock file, and the registry has to be reachable.",
                transient=_is_network(output),
            )


def _is_network(output: Output) -> bool:
    return any(phrase in output.stderr for phrase in NETWORK)


def _sweep(home: Path) -> None:
    """Remove what a killed run left half made."""
    for folder in home.glob("new-*"):
        with suppress(FileNotFoundError):
            if time.time() - folder.stat().st_mtime > ABANDONED:
                shutil.rmtree(folder, ignore_errors=True)
