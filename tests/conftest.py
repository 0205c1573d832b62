"""Fixtures that every test may ask for: a real PostgreSQL, a ledger of one's own, a service as data, a git history."""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings as profile

from promoter import postgres
from promoter.config import Service
from promoter.ledger import schema
from promoter.postgres import Server
from promoter.settings import Settings
from promoter.shell import run

NUMBERS = count(1)
profile.register_profile("deep")
"""What `make test-deep` chooses: the tests that know it tell more, and other stories each time."""


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


class Repository:
    """A real git repository that a test writes the history of; time goes on by a minute with each commit."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._minutes = count()
        path.mkdir(parents=True)
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *arguments: str) -> str:
        """Run git as somebody, hear what it says."""
        when = f"{1_700_000_000 + 60 * next(self._minutes)} +0000"
        somebody = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when}
        identity = ["-c", "user.name=Somebody", "-c", "user.email=somebody@localhost"]
        return run(["git", *identity, *arguments], cwd=self.path, env=somebody).stdout.strip()

    def commit(self, message: str = "fix: something", **files: str) -> str:
        """Commit `files` (none: an empty commit) and return its hash."""
        for name, text in files.items():
            (self.path / name).parent.mkdir(parents=True, exist_ok=True)
            (self.path / name).write_text(text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", f"--message={message}")
        return self.git("rev-parse", "HEAD")

    def branch(self, name: str) -> None:
        """Start a branch here and stay on it."""
        self.git("switch", "--quiet", "--create", name)

    def switch(self, name: str) -> None:
        """Go on with a branch that exists."""
        self.git("switch", "--quiet", name)

    def merge(self, name: str) -> str:
        """Merge a branch into this one with a merge commit and return its hash."""
        self.git("merge", "--quiet", "--no-ff", f"--message=Merge {name}", name)
        return self.git("rev-parse", "HEAD")

    def tag(self, name: str, commit: str = "HEAD", *, annotated: bool = True) -> None:
        """Tag a commit."""
        self.git("tag", *(["--annotate", f"--message={name}"] if annotated else []), name, commit)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """Return an empty git repository."""
    return Repository(tmp_path / "repository")
