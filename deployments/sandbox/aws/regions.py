"""Keeps ECS's state per account and region, and brings new tasks to life."""

import threading
from collections.abc import Callable

from deployments.sandbox.aws.state import Region, Task
from deployments.sandbox.aws.task_life import Surroundings, TaskLife


class Regions:
    """All accounts and regions of one sandbox."""

    def __init__(self) -> None:
        self._regions: dict[tuple[str, str], Region] = {}
        self._lock = threading.Lock()
        self._surroundings: Surroundings | None = None
        self._lives: list[threading.Thread] = []
        self.wake: Callable[[], None] = lambda: None

    def attach(self, surroundings: Surroundings) -> None:
        """Say what tasks run on; before the first one starts."""
        self._surroundings = surroundings
        self.wake = surroundings.wake

    def get(self, account: str, name: str) -> Region:
        """Return ECS of this account and region."""
        with self._lock:
            if (account, name) not in self._regions:
                self._regions[account, name] = Region(account, name, self._bring_to_life)
            return self._regions[account, name]

    def all(self) -> list[Region]:
        """Return every region that was asked for."""
        with self._lock:
            return list(self._regions.values())

    def close(self) -> None:
        """End every task and wait until the last one is gone."""
        for region in self.all():
            with region.lock:
                for task in region.tasks.values():
                    task.stop("The sandbox is going down", "ServiceSchedulerInitiated")
        for life in self._lives:
            life.join()

    def _bring_to_life(self, region: Region, task: Task) -> None:
        if self._surroundings is None:
            msg = "a task starts before the sandbox is attached"
            raise RuntimeError(msg)
        life = threading.Thread(
            target=TaskLife(region, task, self._surroundings).run, name=f"task-{task.id[:8]}", daemon=True
        )
        self._lives = [one for one in self._lives if one.is_alive()]
        self._lives.append(life)
        life.start()
