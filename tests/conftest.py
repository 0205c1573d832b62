"""Fixtures that every test may ask for: a real PostgreSQL, a ledger of one's own, a service as data."""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from promoter import postgres
from promoter.config import Service
from promoter.ledger import schema
from promoter.postgres import Server
from promoter.settings import Settings

NUMBERS = count(1)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    """Return a throwaway PostgreSQL server, one per test process."""
    with postgres.temporary_server() as server:
        yield server


@pytest.fixture
def settings(postgres_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Return the settings of an installation of its own with an empty ledger; they hold for the environment too."""
    credentials = postgres.create_database(postgres_server, f"ledger_{next(NUMBERS)}")
    url = f"postgresql://{credentials.user}@{credentials.host}:{credentials.port}/{credentials.database}"
    monkeypatch.setenv("PROMOTER_LEDGER_URL", url)
    monkeypatch.setenv("PROMOTER_LEDGER_PASSWORD", credentials.password.get_secret_value())
    monkeypatch.setenv("PROMOTER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PROMOTER_SERVICES", str(tmp_path / "services"))
    found = Settings()
    schema.upgrade(found)
    return found


@pytest.fixture
def make_service() -> Callable[..., Service]:
    """Return a maker of small services; keywords replace their parts."""

    def make(**changes: Any) -> Service:
        parts: dict[str, Any] = {
            "name": "api",
            "repository": "https://git.example/api.git",
            "dependencies": {"tool": "poetry"},
            "checks": {"test": ["pytest"]},
            "image": {"repository": "registry.example/api"},
            "branches": [
                {"pattern": "dev", "stages": ["version", "test"]},
                {
                    "pattern": "test",
                    "stages": ["version", "test", "build", "deploy", "tag"],
                    "environment": "staging",
                },
                {
                    "pattern": "main",
                    "stages": ["version", "test", "build", "deploy", "tag", "latest"],
                    "suffix": "",
                    "environment": "production",
                },
            ],
            "environments": {name: environment(name) for name in ("staging", "production")},
        }
        return Service.model_validate({**parts, **changes})

    return make


def environment(name: str) -> dict[str, str]:
    """Return the plain parts of an environment."""
    return {
        "region": "us-east-2",
        "cluster": f"ecs-{name}",
        "service": "svc-api",
        "family": "tsk-api",
        "container": "api",
        "secret": f"{name}-database",
        "health_url": f"https://{name}.example/health",
    }
