"""Engines are kept ready: so many, replaced when taken, given only where they fit, and none is left behind."""

import asyncio
import sys
from collections.abc import Callable

import pytest
from anyio.abc import Process

from deployments.worker import ready
from deployments.worker.ready import Ready, differing, end, environment

PATIENCE = 30.0


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let engines be processes that import nothing, and wait as those do."""
    monkeypatch.setattr(ready, "COMMAND", (sys.executable, "-S", "-c", "import sys; sys.stdin.readline()"))


def test_so_many_wait_and_one_that_is_taken_is_replaced_later() -> None:
    """Who comes in between finds what is left."""

    async def story() -> None:
        async with Ready(2, seconds=0.5) as engines:
            taken = [engines.take(environment()) for _ in range(3)]
            assert [one is None for one in taken] == [False, False, True]
            later = [await until(lambda: engines.take(environment())) for _ in range(2)]
            assert len({one.pid for one in [*taken, *later] if one}) == 4
            for one in [*taken[:2], *later]:
                await finish(one)

    asyncio.run(story())


def test_what_waits_ends_with_its_worker() -> None:
    """Taken ones go on: they are the run's now."""

    async def story() -> None:
        async with Ready(2) as engines:
            taken = engines.take(environment())
            left = next(iter(engines._waiting))
        assert taken is not None
        assert (taken.returncode, left.returncode) == (None, -9)
        await finish(taken)

    asyncio.run(story())


def test_one_that_died_is_passed_over() -> None:
    """And replaced."""

    async def story() -> None:
        async with Ready(2, seconds=0.1) as engines:
            dead = next(iter(engines._waiting))
            dead.kill()
            await dead.wait()
            taken = [engines.take(environment()), await until(lambda: engines.take(environment()))]
            assert dead not in taken
            for one in [dead, *taken]:
                await finish(one)

    asyncio.run(story())


def test_a_run_with_variables_of_its_own_gets_none_that_waited() -> None:
    """Those have read theirs; what says which run it is, they read when they begin."""

    async def story() -> None:
        async with Ready(1) as engines:
            assert engines.take({**environment(), "PROMOTER_LEDGER_URL": "postgresql://other"}) is None
            taken = engines.take({**environment(), "PREFECT__FLOW_RUN_ID": "1"})
            assert taken is not None
            await finish(taken)

    asyncio.run(story())


@pytest.mark.parametrize(
    ("wanted", "names"),
    [({"A": "1"}, []), ({}, ["A"]), ({"A": "2", "B": "1"}, ["A", "B"]), ({"A": "1", "PREFECT__X": "1"}, [])],
)
def test_differing_variables_are_named(wanted: dict[str, str], names: list[str]) -> None:
    """Missing, other and new ones; never their values."""
    assert differing(wanted, {"A": "1", "PREFECT__WORKER_NAME": "w"}) == names


async def until(look: Callable[[], Process | None]) -> Process:
    """Return what is there after a while."""
    async with asyncio.timeout(PATIENCE):
        while (found := look()) is None:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.05)
        return found


async def finish(process: Process | None) -> None:
    """End a process that a test has taken."""
    assert process is not None
    await end(process)
