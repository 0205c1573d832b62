"""The service as a process: each scenario fails as it says."""

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from deployments.sandbox.sample.scenarios import Scenario, replay
from deployments.sandbox.sample.tree import Files, template, write
from promoter.shell import run

PATIENCE = 60
"""Seconds for a start on a busy machine."""
BUILD = {"BUILD_VERSION": "v1.0.3-test", "BUILD_COMMIT": "0" * 40, "BUILD_TIME": "2026-01-02T03:04:05Z"}


@dataclass(frozen=True)
class Running:
    """A process and where it listens."""

    process: subprocess.Popen[str]
    url: str


Serve = Callable[[Scenario], AbstractContextManager[Running]]


@pytest.fixture(scope="module")
def migrated(checkout: Callable[[Files], tuple[Path, dict[str, str]]]) -> dict[str, str]:
    """Return the variables of a migrated database."""
    folder, variables = checkout(template())
    run(["alembic", "upgrade", "head"], cwd=folder, env=variables, timeout=120)
    return variables


@pytest.fixture
def serve(migrated: dict[str, str], tmp_path: Path) -> Serve:
    """Return what starts a scenario as a container does."""

    @contextmanager
    def start(scenario: Scenario) -> Iterator[Running]:
        folder = write(replay(scenario), tmp_path)
        port = str(free_port())
        place = {"HOST": "127.0.0.1", "PORT": port, "PYTHONPATH": str(folder)}
        process = subprocess.Popen(
            [f"{migrated['VIRTUAL_ENV']}/bin/python", "-m", "app"],
            cwd=folder,
            env=os.environ | migrated | BUILD | place,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield Running(process, f"http://127.0.0.1:{port}")
        finally:
            process.kill()
            process.communicate()

    return start


def test_a_good_release_answers_as_the_specification_says(serve: Serve) -> None:
    """Status, version, database, container and uptime; and SIGTERM ends it."""
    with serve(Scenario.GOOD) as running:
        answer = first_answer(running)
        running.process.terminate()
        running.process.communicate(timeout=PATIENCE)

    body: dict[str, Any] = answer.json()
    assert answer.status_code == 200
    assert list(body) == ["status", "timestamp", "version", "database", "container", "uptime"]
    assert (body["status"], body["version"], body["database"]) == ("ok", "v1.0.3-test", "healthy")
    assert list(body["container"]) == ["id", "system", "python_version"]
    assert list(body["uptime"]) == ["seconds", "human_readable", "started_at"]


def test_a_crash_at_start_says_why(serve: Serve) -> None:
    """Exit code 3 and one line."""
    with serve(Scenario.CRASH_AT_START) as running:
        _, said = running.process.communicate(timeout=PATIENCE)

    assert (running.process.returncode, said) == (3, "SIGNING_KEY is not set\n")


@pytest.mark.parametrize(
    ("scenario", "version"),
    [
        pytest.param(Scenario.WRONG_VERSION, "v1.0.0", id="wrong-version"),
        pytest.param(Scenario.EMPTY_VERSION, "", id="empty-version"),
        pytest.param(Scenario.SLOW_START, "v1.0.3-test", id="slow-start"),
    ],
)
def test_a_healthy_answer_names_a_version(serve: Serve, scenario: Scenario, version: str) -> None:
    """Whichever the scenario says."""
    with serve(scenario) as running:
        answer = first_answer(running)

    assert (answer.status_code, answer.json()["version"]) == (200, version)


def test_a_health_check_is_answered_with_500(serve: Serve) -> None:
    """And the rest of the service works."""
    with serve(Scenario.HEALTH_500) as running:
        assert first_answer(running).status_code == 500
        assert httpx.get(f"{running.url}/notes").status_code == 200


def test_the_database_is_lost_after_two_answers(serve: Serve) -> None:
    """Never three right answers in a row."""
    with serve(Scenario.LOSES_DATABASE) as running:
        codes = [first_answer(running).status_code for _ in range(3)]

    assert codes == [200, 200, 503]


def test_a_hanging_release_accepts_and_never_answers(serve: Serve) -> None:
    """The connection stands, nothing comes."""
    with serve(Scenario.HANGS) as running, pytest.raises(httpx.ReadTimeout):
        first_answer(running, read=0.5)


def first_answer(running: Running, read: float = 10) -> httpx.Response:
    """Return the answer of a server as soon as it listens."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return httpx.get(f"{running.url}/health", timeout=httpx.Timeout(PATIENCE, read=read))
        except httpx.ConnectError:
            if running.process.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def free_port() -> int:
    """Return a port on loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
