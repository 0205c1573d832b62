"""The locked environment of the sample service, and trees of it with a database of their own."""

import fcntl
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from deployments.sandbox.sample.tree import TEMPLATE, Files, write
from promoter import postgres
from promoter.config import Dependencies
from promoter.dependencies import Environment, environment
from promoter.postgres import Server

NUMBERS = count(1)


@pytest.fixture(scope="session")
def locked_environment(request: pytest.FixtureRequest) -> Environment:
    """Return the template's locked environment, one for all test processes and runs."""
    cache = request.config.cache.mkdir("sample")
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return environment(TEMPLATE, Dependencies(tool="poetry"), cache=cache, groups=("dev",))


@pytest.fixture(scope="session")
def checkout(
    locked_environment: Environment, postgres_server: Server, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Files], tuple[Path, dict[str, str]]]:
    """Return a maker of trees, each with the variables of its environment and of an empty database of its own."""

    def make(files: Files) -> tuple[Path, dict[str, str]]:
        folder = write(files, tmp_path_factory.mktemp("checkout"))
        database = postgres.create_database(postgres_server, f"notes_{next(NUMBERS)}", owner="notes")
        templates = {"DATABASE_URL": "postgresql+asyncpg://"}
        return folder, locked_environment.variables(folder) | database.variables(templates)

    return make
