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
    """Who comes in between is given one that starts now."""

    async def story() -> None:
        async with Ready(2, seconds=0.5) as engines:
            waited = waiting(engines)
            taken = [await engines.take(environment()) for _ in range(3)]
            assert taken[:2] == waited
            assert waiting(engines) == []
            await until(lambda: len(waiting(engines)) == 2)
            for one in taken:
                await end(one)

    asyncio.run(story())


def test_what_waits_ends_with_its_worker() -> None:
    """Taken ones go on: they are the run's now."""

    async def story() -> None:
        async with Ready(2) as engines:
            taken = await engines.take(environment())
            (left,) = waiting(engines)
        assert (taken.returncode, left.returncode) == (None, -9)
        await end(taken)

    asyncio.run(story())


def test_one_that_died_is_passed_over() -> None:
    """And replaced."""

    async def story() -> None:
        async with Ready(2, seconds=0.1) as engines:
            dead, well = waiting(engines)
            dead.kill()
            await dead.wait()
            taken = await engines.take(environment())
            assert taken is well
            await until(lambda: len(waiting(engines)) == 2)
            for one in (dead, taken):
                await end(one)

    asyncio.run(story())


def test_a_run_with_variables_of_its_own_gets_none_that_waited() -> None:
    """Those have read theirs; what says which run it is, they read when they begin."""

    async def story() -> None:
        async with Ready(1) as engines:
            (waited,) = waiting(engines)
            other = await engines.take({**environment(), "PROMOTER_LEDGER_URL": "postgresql://other"})
            taken = await engines.take({**environment(), "PREFECT__FLOW_RUN_ID": "1"})
            assert other is not waited
            assert taken is waited
            for one in (other, taken):
                await end(one)

    asyncio.run(story())


@pytest.mark.parametrize(
    ("wanted", "names"),
    [({"A": "1"}, []), ({}, ["A"]), ({"A": "2", "B": "1"}, ["A", "B"]), ({"A": "1", "PREFECT__X": "1"}, [])],
)
def test_differing_variables_are_named(wanted: dict[str, str], names: list[str]) -> None:
    """Missing, other and new ones; never their values."""
    assert differing(wanted, {"A": "1", "PREFECT__WORKER_NAME": "w"}) == names


def waiting(engines: Ready) -> list[Process]:
    """Return the engines that nobody has taken."""
    return list(engines._waiting)


async def until(so: Callable[[], bool]) -> None:
    """Return as soon as it is so."""
    async with asyncio.timeout(PATIENCE):
        while not so():  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.05)
