"""The locked environment of the sample service, and trees of it with a database of their own."""

import os
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from deployments.sandbox.sample.tree import TEMPLATE, Files, write
from promoter import postgres
from promoter.config import Dependencies
from promoter.dependencies import Environment, environment
from promoter.postgres import Server
from promoter.shell import run

NUMBERS = count(1)


@pytest.fixture(scope="session")
def locked_environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Return the template's locked environment, one for all test processes, compiled so that it starts fast."""
    root = tmp_path_factory.getbasetemp()
    made = environment(
        TEMPLATE,
        Dependencies(tool="poetry"),
        cache=root.parent if "PYTEST_XDIST_WORKER" in os.environ else root,
        groups=("dev",),
    )
    if made.created:
        library = made.python.parents[1] / "lib"
        run([made.python, "-m", "compileall", "-q", library], env={"PYTHONDONTWRITEBYTECODE": ""})
    return made


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
