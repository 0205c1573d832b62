"""Follows a deployment of a service to its end, and leads the service back to what it ran before."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from promoter.ecs.rollout_rules import Standing, Step, standing, way_back
from promoter.ecs.service import EcsService
from promoter.ecs.state import ServiceState
from promoter.ecs.task_definitions import name
from promoter.ecs.task_failures import failure, hopeless
from promoter.ecs.watch import Notice, Watch
from promoter.errors import FrozenError, RolloutError
from promoter.pace import Pace
from promoter.records import Rollout

SHORTEST, LONGEST = 0.25, 5.0
"""Seconds between two questions; DescribeServices and ListTasks each allow 20 a second for the whole account."""
FROZEN_HINT = "The service is scaled as it was. Promote a release that runs, then unfreeze the environment."


def follow(
    service: EcsService, rollout: Rollout, *, timeout: float, notice: Notice, secrets: Sequence[str] = ()
) -> Rollout:
    """Follow the deployment `rollout.deployment` until it is COMPLETED and return `rollout` with its seconds.

    `timeout` is our own deadline in seconds: the circuit breaker behind it may take long, or stall. `notice` is told events and
    counts. Raises RolloutError with the cause as soon as the deployment failed, was taken back, or cannot succeed any more.
    """
    watch = Watch(service, rollout.after, notice, rollout.deployment)
    pace = Pace(timeout, SHORTEST, LONGEST)
    while True:
        lost = None
        try:
            state = watch.look()
            verdict = standing(state, rollout)
            if verdict == "completed":
                return replace(rollout, seconds=pace.seconds)
            lost = _lost(verdict, state, rollout) or hopeless(watch.read_failures())
        except RolloutError as error:
            _unless_passing(error, watch)
        if lost is None and not pace.left:
            lost = f"it is not complete after {timeout:g} s"
        if lost is not None:
            message = f"{service}: the deployment of {name(rollout.after)} did not succeed: {lost}"
            raise failure(watch.tell(message, secrets), watch.failures)
        pace.rest(moved=watch.moved)


def roll_back(
    service: EcsService, rollout: Rollout, *, timeout: float, notice: Notice, secrets: Sequence[str] = ()
) -> Rollout:
    """Lead the service from `rollout.after` back to `rollout.before` and return that rollout, the swapped one.

    Returns when `before` is PRIMARY and COMPLETED and no task of `after` is left that is not STOPPED; at once where that is so
    already. Raises FrozenError where a person is needed: nothing to go back to, `before` does not run either, or somebody deployed
    something else. Raises RolloutError, transient, when `timeout` seconds were not enough.
    """
    if not rollout.before:
        raise FrozenError(
            f"{service}: {name(rollout.after)} was its first deployment: there is nothing to go back to",
            hint=FROZEN_HINT,
        )
    retreat = Retreat(Watch(service, rollout.before, notice), rollout, Pace(timeout, SHORTEST, LONGEST), secrets)
    while True:
        try:
            done = retreat.step()
            if done is not None:
                return done
        except RolloutError as error:
            _unless_passing(error, retreat.watch)
        if not retreat.pace.left:
            message = f"{service} is not back at {name(rollout.before)} after {timeout:g} s: {retreat.reached}"
            hint = "`promoter recover` goes on where this ended."
            raise RolloutError(retreat.watch.tell(message, secrets), hint=hint, transient=True)
        retreat.pace.rest(moved=retreat.watch.moved)


def drain(service: EcsService, definition: str, *, timeout: float) -> None:
    """Wait until no task of `definition` is left that is not STOPPED; raise RolloutError, transient, after `timeout` seconds."""
    pace = Pace(timeout, SHORTEST, LONGEST)
    while left := len(service.tasks(definition)):
        if not pace.left:
            raise RolloutError(f"{service}: {left} tasks of {name(definition)} are not STOPPED", transient=True)
        pace.rest(moved=False)


@dataclass
class Retreat:
    """One try of the way back; whatever it forgets, the service itself still tells."""

    watch: Watch
    rollout: Rollout
    pace: Pace
    secrets: Sequence[str]
    asked: frozenset[str] = frozenset()
    """Steps taken."""
    stage: tuple[str | None, ...] = ()
    """Deployment and rollout state that PRIMARY had at the last look."""
    since: float = field(default=0.0)
    """When `stage` or `asked` last changed, in seconds of `pace`."""
    reached: str = "ECS did not answer"
    """How far the way back has come, for people."""

    def step(self) -> Rollout | None:
        """Look, take the next step, and return the swapped rollout when it was the last one."""
        state = self.watch.look()
        self._notice_change(state)
        waited, leftovers = self.pace.seconds - self.since, self._leftovers(state)
        step = way_back(state, self.rollout, leftovers=leftovers, asked=self.asked, waited=waited)
        if step == "done":
            deployment = state.primary.id if state.primary else None
            return Rollout(self.rollout.after, self.rollout.before, deployment, self.pace.seconds)
        if step != "wait":
            self._take(step, state)
            self.asked |= {step}
            self.since, self.watch.moved = self.pace.seconds, True
        return None

    def _notice_change(self, state: ServiceState) -> None:
        stage = (state.primary.id, state.primary.rollout_state) if state.primary else ()
        if stage != self.stage:
            self.stage, self.since = stage, self.pace.seconds

    def _leftovers(self, state: ServiceState) -> int:
        """Return how many tasks of the new definition are not yet STOPPED; before the service is back that decides nothing."""
        primary = state.primary
        if primary is None or primary.task_definition != self.rollout.before:
            self.reached = f"it still runs {name(state.task_definition)}"
            return 0
        count = len(self.watch.service.tasks(self.rollout.after))
        self.reached = (
            f"that is {primary.rollout_state}, and {count} tasks of {name(self.rollout.after)} are not STOPPED"
        )
        return count

    def _take(self, step: Step, state: ServiceState) -> None:
        service, old, new = self.watch.service, name(self.rollout.before), name(self.rollout.after)
        if step == "stop":
            self._stop()
        elif step in {"update", "force"}:
            self._update(force=step == "force")
        elif step == "hopeless":
            message = f"{service}: {old} does not run either: there is nothing to go back to"
            raise FrozenError(self.watch.tell(message, self.secrets), hint=FROZEN_HINT)
        else:
            running = name(state.task_definition) or "nothing"
            raise FrozenError(
                f"{service} runs {running}, neither {new} nor {old}: somebody else deployed it",
                hint="Bring the service to the release that it should run, then unfreeze the environment.",
            )

    def _stop(self) -> None:
        """Stop the deployment in progress; where that is refused, update the service instead."""
        self.watch.notice(f"stopping the deployment of {name(self.rollout.after)}")
        try:
            if not self.watch.service.stop():
                self.watch.notice("it has ended by itself")
        except RolloutError as error:
            if error.transient:
                raise
            self.watch.notice(f"it cannot be stopped: {error.message}")
            self._update(force=False)

    def _update(self, *, force: bool) -> None:
        service, old = self.watch.service, self.rollout.before
        self.watch.notice(f"updating the service to {name(old)}")
        try:
            service.update(old, force=force)
        except RolloutError as error:
            if error.transient:
                raise
            raise FrozenError(
                f"{service} cannot go back to {name(old)}: {error.message}", hint=error.hint or FROZEN_HINT
            ) from error


def _unless_passing(error: RolloutError, watch: Watch) -> None:
    """Raise `error` again unless the same question may be answered later; throttling lets the pace fall."""
    if not error.transient:
        raise error
    watch.moved = False
    watch.notice(error.message)


def _lost(verdict: Standing, state: ServiceState, rollout: Rollout) -> str | None:
    telling = state.deployment(rollout.deployment) or state.primary
    because = f": {telling.reason}" if telling is not None and telling.reason else ""
    if verdict == "failed":
        return f"it failed{because}"
    if verdict == "rolled back":
        return f"ECS went back to {name(rollout.before)}"
    if verdict == "replaced":
        return f"{name(state.task_definition)} took its place{because}"
    return None
