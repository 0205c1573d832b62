"""Keeps engines ready: so many wait at any time, and who takes one is given a process that has its imports behind it."""

import asyncio
import logging
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections import deque
from collections.abc import Mapping
from typing import Self

import anyio
from anyio.abc import Process
from prefect.settings import get_current_settings

logger = logging.getLogger(__name__)

COMMAND = (sys.executable, "-m", "deployments.worker.engine")
NAMES_A_RUN = "PREFECT__"
"""How the variables begin that say which run it is, and how it talks to its worker: read when it begins, not at an import."""
SECONDS = 5.0
"""How long after one was taken another is started: its imports would keep the run waiting that has just begun."""


class Ready:
    """Engines that wait, `number` of them, from `async with` to its end."""

    def __init__(self, number: int, seconds: float = SECONDS) -> None:
        """Another is started `seconds` after one was taken."""
        self._number, self._seconds = number, seconds
        self._waiting: deque[Process] = deque()
        self._environment: dict[str, str] = {}
        self._starts: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._environment = environment()
        for _ in range(self._number):
            await self._start()
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._starts:
            task.cancel()
        with anyio.CancelScope(shield=True):
            await asyncio.gather(*self._starts, return_exceptions=True)
            while self._waiting:
                await end(self._waiting.popleft())

    async def take(self, wanted: Mapping[str, str]) -> Process:
        """Return an engine for a run with these variables: one that waits, or where none fits, one that has just been started."""
        if foreign := differing(wanted, self._environment):
            logger.info("an engine of its own for a run: not the worker's are %s", ", ".join(foreign))
            return await start(wanted)
        while self._waiting:
            oldest = self._waiting.popleft()
            self._renew()
            if oldest.returncode is None:
                return oldest
        return await start(wanted)

    def _renew(self) -> None:
        task = asyncio.create_task(self._start_later())
        self._starts.add(task)
        task.add_done_callback(self._starts.discard)

    async def _start_later(self) -> None:
        await asyncio.sleep(self._seconds)
        await self._start()

    async def _start(self) -> None:
        self._waiting.append(await start(self._environment))


async def start(variables: Mapping[str, str]) -> Process:
    """Start an engine in a session of its own: what ends the worker's group, a terminal's Ctrl-C, is no business of a run."""
    return await anyio.open_process(
        COMMAND, stdin=PIPE, stdout=DEVNULL, stderr=None, env=variables, start_new_session=True
    )


def environment() -> dict[str, str]:
    """Return the variables of every run of this worker, but for those that say which it is."""
    return {**os.environ, **get_current_settings().to_environment_variables(exclude_unset=True)}


def differing(wanted: Mapping[str, str], own: Mapping[str, str]) -> list[str]:
    """Return the names of the variables that an engine cannot change any more: others were read when it imported."""
    names = {name for name in [*wanted, *own] if not name.startswith(NAMES_A_RUN)}
    return sorted(name for name in names if wanted.get(name) != own.get(name))


async def end(process: Process) -> None:
    """End an engine that waits: without input it has nothing to wait for, but it may still be importing."""
    if process.returncode is None:
        process.kill()
    await process.aclose()
