"""What the sandbox's GitHub holds, in one file; every change of it is complete or not there at all."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

from deployments.sandbox.registry.store import write

Document = dict[str, Any]
"""As GitHub's API writes it."""


@dataclass
class Shown:
    """Everything that people see there; each list oldest first."""

    number: int = 0
    """The last one that was given."""
    statuses: list[Document] = field(default_factory=list)
    deployments: list[Document] = field(default_factory=list)
    deployment_statuses: list[Document] = field(default_factory=list)
    releases: list[Document] = field(default_factory=list)
    comments: list[Document] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    """`POST /repos/…` of every request that was answered as it should be."""

    def status(self, commit: str) -> dict[str, str]:
        """Return context → state of a commit: what its page shows, the last of each."""
        return {one["context"]: one["state"] for one in self.statuses if one["sha"] == commit}

    def states(self, deployment: int) -> list[str]:
        """Return every state that a Deployment had."""
        return [one["state"] for one in self.deployment_statuses if one["deployment"] == deployment]

    def environment(self, name: str) -> list[tuple[str, str]]:
        """Return commit and last state of each Deployment to an environment: its page."""
        found = [one for one in self.deployments if one["environment"] == name]
        return [(one["sha"], (self.states(one["id"]) or ["pending"])[-1]) for one in found]

    def writes(self) -> int:
        """Return how many requests changed something."""
        return sum(not request.startswith("GET ") for request in self.requests)


class State:
    """The folder that holds it."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "github.json"
        self._lock = Lock()

    def read(self) -> Shown:
        """Return everything as it is now."""
        return Shown(**json.loads(self._path.read_text())) if self._path.is_file() else Shown()

    @contextmanager
    def changing(self) -> Iterator[Shown]:
        """Yield everything, and keep what becomes of it."""
        with self._lock:
            shown = self.read()
            yield shown
            write(self._path, json.dumps(asdict(shown)).encode())
