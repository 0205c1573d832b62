"""A service whose repository and file are there to be found."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deployments.sandbox.sample.service import to_toml
from promoter.config import Service
from promoter.settings import Settings


@pytest.fixture
def head(repository: Any) -> str:
    """Return the head of `main`, `dev` and `test`, released as v1.0.2."""
    commit = repository.commit("feat: begin")
    repository.tag("v1.0.2")
    for branch in ("dev", "test"):
        repository.git("branch", branch)
    return str(commit)


@pytest.fixture
def service(make_service: Callable[..., Service], repository: Any, settings: Settings) -> Service:
    """Return a service of that repository whose file is there to be found."""
    found = make_service(repository=str(repository.path))
    write(found, settings)
    return found


def write(service: Service, settings: Settings) -> Path:
    """Write the file of a service."""
    settings.services.mkdir(exist_ok=True)
    path = settings.services / f"{service.name}.toml"
    path.write_text(to_toml(service))
    return path
