"""The sandbox's GitHub for tests: who we are there, what it shows, and what may be wrong with it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from deployments.sandbox.github import Fault, Shown, State, start
from deployments.sandbox.github.faults import save
from deployments.sandbox.registry.server import Running
from promoter.github import Credentials
from promoter.github.client import Client

REPOSITORY, NUMBER = "Owner/api", 4711
TOKEN = "github_pat_Zk3q9vX1tR7s5Lw2"
PATIENTLY: dict[str, Any] = {"pace": 0, "timeout": 60}
"""How a test talks to it: one request right after the other, and as long as a busy machine takes."""
PLACE = {"repository": REPOSITORY, "repository_id": NUMBER}
"""The [github] table of a service."""


@dataclass
class GitHub:
    """A GitHub that may be down."""

    folder: Path
    running: Running
    repository: str
    number: int

    @property
    def url(self) -> str:
        """The address of its API."""
        return self.running.url

    @property
    def credentials(self) -> Credentials:
        """Who we are there."""
        return Credentials(self.url, token=SecretStr(TOKEN))

    def client(self) -> Client:
        """Return a client that does not wait between two requests."""
        return Client(self.repository, self.credentials, **PATIENTLY)

    @property
    def variables(self) -> dict[str, str]:
        """What a process needs in its environment to show there what it does."""
        return {"PROMOTER_GITHUB_API": self.url, "PROMOTER_GITHUB_TOKEN": TOKEN}

    def shown(self) -> Shown:
        """Return all that it shows."""
        return State(self.folder).read()

    @contextmanager
    def down(self) -> Iterator[None]:
        """Let nobody answer while the block runs."""
        port = int(self.running.host.rpartition(":")[2])
        self.running.stop()
        try:
            yield
        finally:
            self.running = start(self.folder, self.repository, self.number, TOKEN, port=port)

    @contextmanager
    def failing(self, fault: Fault) -> Iterator[None]:
        """Let every answer be wrong in this way while the block runs."""
        save(self.folder, fault)
        try:
            yield
        finally:
            save(self.folder, Fault.NONE)


@contextmanager
def serving(folder: Path, repository: str = REPOSITORY, number: int = NUMBER) -> Iterator[GitHub]:
    """Serve a GitHub that shows nothing yet."""
    found = GitHub(folder, start(folder, repository, number, TOKEN), repository, number)
    try:
        yield found
    finally:
        found.running.stop()
