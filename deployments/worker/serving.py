"""Lets a worker work until it is told to end: it takes nothing new then, and ends when what is under way has ended; told again, at once."""

import asyncio
import signal
from contextlib import suppress

from deployments.worker.worker import Worker

LOOK = 0.5
"""Seconds between two looks whether anything is under way."""


async def serve(worker: Worker) -> None:
    """Work until told to end by SIGTERM or Ctrl-C."""
    working = asyncio.ensure_future(worker.start())
    waiting = asyncio.ensure_future(_end_when_idle(worker, working))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, end, worker, working)
    try:
        with suppress(asyncio.CancelledError):
            await working
    finally:
        waiting.cancel()


def end(worker: Worker, working: "asyncio.Future[None]") -> None:
    """Let it take nothing new; where that was said before, let it end what is under way as a cancelled run ends."""
    if not worker.takes_more:
        working.cancel()
        return
    worker.takes_more = False
    print("nothing new is taken;", "what is under way is waited for" if worker.is_busy else "ended", flush=True)  # noqa: T201


async def _end_when_idle(worker: Worker, working: "asyncio.Future[None]") -> None:
    while worker.takes_more or worker.is_busy:  # noqa: ASYNC110 - Prefect's worker tells nobody
        await asyncio.sleep(LOOK)
    working.cancel()
