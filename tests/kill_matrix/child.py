"""A process that is forked off with everything imported, does one thing, and may be killed at one of its calls."""

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tests.kill_matrix import edges
from tests.kill_matrix.calls import Recorder

PATIENCE = 300.0
"""Seconds that a process may take."""
LOOK = 0.02


def run(action: Callable[[], object], recorder: Recorder, log: Path) -> int:
    """Do `action` in a process group of its own and return how it ended: 0, 1 after an exception, 9 if it was killed.

    What it started is not ended with it: on a real machine nobody would either. Raises TimeoutError if it does not end.
    """
    pid = os.fork()
    if pid == 0:
        _live(action, recorder, log)
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
        time.sleep(LOOK)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    msg = f"the {recorder.process} did not end within {PATIENCE:g} s"
    raise TimeoutError(msg)


def _live(action: Callable[[], object], recorder: Recorder, log: Path) -> None:
    code = 1
    with suppress(BaseException):
        os.setsid()
        with log.open("a", encoding="utf-8") as output:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
        edges.install(recorder)
        code = _code(action)
    os._exit(code)


def _code(action: Callable[[], object]) -> int:
    try:
        action()
    except BaseException:  # noqa: BLE001 - a promotion may end with any error; the journal and the ledger say the rest
        traceback.print_exc()
        sys.stderr.flush()
        return 1
    return 0
