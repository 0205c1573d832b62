"""Watches one service: tells its events and counts as they come, and remembers the tasks that failed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from promoter.ecs.autopsy import account, named_error
from promoter.ecs.service import EcsService
from promoter.ecs.state import ServiceState, TaskState
from promoter.ecs.task_definitions import name
from promoter.errors import RolloutError

Notice = Callable[[str], object]


@dataclass
class Watch:
    """Narrates a service: each of its events once, and its counts when they change."""

    service: EcsService
    definition: str
    """ARN of the task definition whose stopped tasks matter."""
    notice: Notice
    deployment: str | None = None
    """Only tasks of this deployment matter; None takes those of every deployment of the definition."""
    state: ServiceState | None = None
    moved: bool = False
    """Whether the last look showed anything new."""
    told: set[str] = field(default_factory=set)
    stopped: dict[str, TaskState] = field(default_factory=dict)

    def look(self) -> ServiceState:
        """Ask ECS, tell what is new, and return the answer."""
        state = self.service.describe()
        said = self._events(state) + self._counts(state)
        self.moved = bool(said)
        self.state = state
        for line in said:
            self.notice(line)
        return state

    def read_failures(self) -> list[TaskState]:
        """Ask for the stopped tasks that are not known yet and return all that matter; ECS forgets, this does not."""
        unread = [arn for arn in self.service.stopped() if arn not in self.stopped]
        tasks = self.service.read_tasks(unread)
        self.stopped |= {task.arn: task for task in tasks if task.last_status == "STOPPED"}
        return self.failures

    @property
    def failures(self) -> list[TaskState]:
        """The stopped tasks that matter, as far as they are known."""
        return [
            task
            for task in self.stopped.values()
            if task.definition == self.definition and self.deployment in {None, task.deployment}
        ]

    def tell(self, message: str, secrets: Sequence[str]) -> str:
        """Return `message` with the error that the tasks name, then their account; one that cannot be had never hides the failure."""
        try:
            told = account(self.service, self.read_failures(), secrets)
        except RolloutError as error:
            told = f"its tasks cannot be read: {error.message}"
        named = named_error(told)
        headline = f"{message}: {named}" if named else message
        return f"{headline}\n{told}" if told else headline

    def _events(self, state: ServiceState) -> list[str]:
        new = [event for event in state.events if event.id not in self.told]
        self.told |= {event.id for event in new}
        if self.state is None:
            mine = state.deployment(self.deployment)
            new = [event for event in new if mine is not None and event.at >= mine.created_at]
        return [event.message for event in new]

    def _counts(self, state: ServiceState) -> list[str]:
        before = {one.id: one.counts for one in self.state.deployments} if self.state else {}
        return [
            f"{name(one.task_definition)}: {one.counts}"
            for one in state.deployments
            if before.get(one.id) != one.counts
        ]
