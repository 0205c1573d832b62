"""The one place that starts programs which outlive a call: in groups of their own, written down so that no one is left behind.

A program writes its own number into its record before it begins (`sh`, then `exec`), so there is no moment at which it runs
unrecorded. Who holds that number and was started before the record was written is the one who wrote it: nobody else could.
"""

import os
import shutil
import signal
import subprocess  # noqa: TID251 - promoter.shell waits for a program's end; a task lives on
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

RECORD_AND_RUN = ("/bin/sh", "-c", 'echo $$ >"$0" && exec "$@"')
PAUSE = 0.01
"""Seconds between two looks at a process that is waited for."""
CLOCK_STEP = 0.5
"""Seconds by which the times of a process and of a file may differ for one and the same moment."""


class Process:
    """A program in a process group of its own."""

    def __init__(self, popen: "subprocess.Popen[bytes]", record: Path | None = None) -> None:
        self._popen = popen
        self._record = record

    @property
    def pid(self) -> int:
        """The number of the process and of its group."""
        return self._popen.pid

    def poll(self) -> int | None:
        """Return the exit code, negative for a signal, or None while it runs; with it ends whatever it started."""
        if self._popen.returncode is None and _has_ended(self.pid):
            self.kill()
        return self._popen.returncode

    def terminate(self) -> None:
        """Ask the whole group to end."""
        if self.poll() is None:
            _signal_group(self.pid, signal.SIGTERM)

    def kill(self) -> None:
        """End the whole group, and return when the process is gone."""
        if self._popen.returncode is None:
            _signal_group(self.pid, signal.SIGKILL)
            self._popen.wait()
        if self._record:
            self._record.unlink(missing_ok=True)

    def release(self) -> None:
        """Let it live on when this process ends; it is to be ended by `end`."""
        self._popen.returncode = 0

    def wait(self, timeout: float) -> bool:
        """Wait up to `timeout` seconds, and return whether it has ended by itself."""
        until = time.monotonic() + timeout
        while self.poll() is None:
            if time.monotonic() > until:
                return False
            time.sleep(PAUSE)
        return True


def start(
    argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], output: Path, record: Path, errors: Path | None = None
) -> Process:
    """Start `argv` with exactly the environment `env`; what it writes is appended to `output`, its errors to `errors` if given.

    `record` is the file where its number stands until its end. Raises FileNotFoundError if there is no such program.
    """
    program = find(argv[0], cwd, env)
    if program is None:
        raise FileNotFoundError(argv[0])
    with output.open("ab") as stream, (errors or output).open("ab") as other:
        popen = subprocess.Popen(
            [*RECORD_AND_RUN, str(record), program, *argv[1:]],
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=other,
            start_new_session=True,
        )
    return Process(popen, record)


def find(program: str, cwd: Path, env: Mapping[str, str]) -> str | None:
    """Return where `program` is: from `cwd` if it is a path, else on the PATH of `env`."""
    if "/" in program:
        path = cwd / program
        return str(path) if os.access(path, os.X_OK) and path.is_file() else None
    return shutil.which(program, path=env.get("PATH", os.defpath))


def succeeds(argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], timeout: float) -> bool:
    """Run `argv` for at most `timeout` seconds and return whether it ended with exit code 0."""
    program = find(argv[0], cwd, env)
    if program is None:
        return False
    popen = subprocess.Popen(
        [program, *argv[1:]],
        cwd=cwd,
        env=dict(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    process = Process(popen)
    ended = process.wait(timeout)
    process.kill()
    return ended and popen.returncode == 0


def sweep(records: Iterable[Path]) -> list[int]:
    """End the groups of the processes that still run among `records`, delete these files, and return the numbers."""
    ended = []
    for record in records:
        pid = _writer(record)
        if pid is not None:
            _signal_group(pid, signal.SIGKILL)
            ended.append(pid)
        record.unlink(missing_ok=True)
    return ended


def alive(pid: int) -> bool:
    """Return whether a process with this number runs."""
    with suppress(psutil.Error):
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    return False


def end(pid: int, timeout: float) -> None:
    """Ask a process to end and wait for it; after `timeout` seconds its group is killed. One that has ended is no error."""
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        process.terminate()
        try:
            process.wait(timeout)
        except psutil.TimeoutExpired:
            _signal_group(pid, signal.SIGKILL)
            process.wait(timeout)


def _writer(record: Path) -> int | None:
    """Return the number in `record` if the process that wrote it still runs."""
    with suppress(OSError, ValueError, psutil.Error):
        pid = int(record.read_text())
        process = psutil.Process(pid)
        if process.create_time() <= record.stat().st_mtime + CLOCK_STEP and process.status() != psutil.STATUS_ZOMBIE:
            return pid
    return None


def _has_ended(pid: int) -> bool:
    """Return whether our child `pid` has ended; its number stays taken, so that its group can still be named safely."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _signal_group(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)
