"""Loaded by the flow's own process when a test puts this folder on its PYTHONPATH: signals that make it fail as flows fail."""

import os
import signal
import sys
from typing import NoReturn

TIMEOUT = 3600.0
"""Long enough that Prefect's own timer never rings before it is told to, in seconds."""


def fail(*_: object) -> NoReturn:
    """Raise an error that nobody foresaw, wherever the flow is."""
    raise RuntimeError("an error that nobody foresaw")


def leave(*_: object) -> NoReturn:
    """End the process without a word."""
    os._exit(7)


def run_out_of_time(*_: object) -> None:
    """Let Prefect's timer ring now, if it runs: it does in a flow, and not in its hooks."""
    if signal.getitimer(signal.ITIMER_REAL)[0] > 0:
        signal.setitimer(signal.ITIMER_REAL, 0.001)


if sys.orig_argv[-1] in {"deployments.worker.engine", "prefect.engine"}:
    from flows import promote

    promote.promote_test.timeout_seconds = TIMEOUT
    signal.signal(signal.SIGUSR1, fail)
    signal.signal(signal.SIGUSR2, leave)
    signal.signal(signal.SIGVTALRM, run_out_of_time)
