"""The files of one PostgreSQL server: a complete cluster or none, its password, and whether a server runs on it."""

import hashlib
import os
import secrets
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from promoter.postgres.programs import account, binaries, hand_over, home, program, reachable
from promoter.shell import run

INITDB = (
    "--username=postgres",
    "--auth=scram-sha-256",
    "--encoding=UTF8",
    "--no-locale",
    "--wal-segsize=1",
    "--no-sync",
)


def ensure(folder: Path) -> Path:
    """Return the real path of the cluster of `folder`; where none is, a new one appears whole, or not at all."""
    data = folder / "data"
    if not data.exists():
        data.unlink(missing_ok=True)  # a link to a cluster that is gone
        new = _new_folder(folder)
        _fill(new, _new_password(folder))
        _publish(new, data)
    return data.resolve()


def password(folder: Path) -> str:
    """Return the superuser's password of the cluster of `folder`."""
    return (folder / "password").read_text(encoding="ascii")


def running(data: Path) -> int | None:
    """Return the port of the server that runs on the cluster `data`, None where none does.

    A process that merely got a dead server's number is not taken for it: PostgreSQL would be, so its file is removed.
    """
    file = data / "postmaster.pid"
    try:
        lines = file.read_text(encoding="ascii").splitlines()
        os.kill(pid := int(lines[0]), 0)
        if Path("/proc/self").exists() and not Path(f"/proc/{pid}/cwd").samefile(data):
            file.unlink()
            return None
        return int(lines[3])
    except (OSError, IndexError, ValueError):  # no file, half a file, no process, or one that is just ending
        return None


def remove(folder: Path) -> None:
    """Remove `folder` and its cluster, wherever that is; no server may run on it."""
    away = (folder / "data").resolve()
    shutil.rmtree(away, ignore_errors=True)
    _origin(away).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def _new_password(folder: Path) -> str:
    text = secrets.token_hex(24)
    file = folder / "password"
    file.unlink(missing_ok=True)
    file.touch(mode=0o600)
    file.write_text(text, encoding="ascii")
    return text


def _new_folder(folder: Path) -> Path:
    """Return an empty folder of the account: in `folder`, or away from it where the account cannot enter that."""
    if reachable(folder):
        shutil.rmtree(folder / "data.new", ignore_errors=True)
        (new := folder / "data.new").mkdir(mode=0o700)
    else:
        _sweep()
        new = Path(tempfile.mkdtemp(prefix="data-", dir=home()))
        _origin(new).write_text(str(folder), encoding="utf-8")
    return hand_over(new)


def _publish(new: Path, data: Path) -> None:
    if new.parent == data.parent:
        new.rename(data)
    else:
        data.symlink_to(new)


def _origin(away: Path) -> Path:
    """Return the file that says which folder the cluster `away` belongs to."""
    return away.with_name(f"{away.name}.origin")


def _sweep() -> None:
    """Remove the clusters whose folder is gone."""
    for origin in home().glob("data-*.origin"):
        folder, away = Path(origin.read_text(encoding="utf-8")), origin.with_suffix("")
        if not folder.exists() and running(away) is None:
            shutil.rmtree(away, ignore_errors=True)
            origin.unlink(missing_ok=True)


def _fill(target: Path, superuser_password: str) -> None:
    run(["cp", "-Rp", f"{_template()}/.", target], timeout=60, **account())
    statement = f"ALTER ROLE postgres PASSWORD '{superuser_password}'\n"
    program("postgres", "--single", "-F", "-D", target, "postgres", input_text=statement)


def _template() -> Path:
    """Return a cluster as `initdb` leaves it, made once: a copy takes a fifth of the time."""
    postgres = (binaries() / "postgres").stat()
    key = hashlib.sha256(repr((postgres.st_size, postgres.st_mtime_ns, INITDB)).encode()).hexdigest()[:16]
    template = home() / f"template-{key}"
    if not template.is_dir():
        with tempfile.TemporaryDirectory(dir=home()) as name:
            folder = hand_over(Path(name))
            file = folder / "password"
            _new_password(folder)
            program("initdb", *INITDB, f"--pwfile={hand_over(file)}", "-D", folder / "data", timeout=120)
            with suppress(OSError):  # somebody else was faster
                (folder / "data").rename(template)
    return template
