"""Looks at every service again and again, and does what `deployments.plan` says."""

import logging
import threading
from collections.abc import Callable

from deployments.sandbox.aws import deployments, rollouts, target_groups
from deployments.sandbox.aws.deployments import Plan, Standing
from deployments.sandbox.aws.load_balancer import LoadBalancer
from deployments.sandbox.aws.state import Region, Service, Task, monotonic, now
from deployments.sandbox.aws.tasks import launch
from deployments.sandbox.aws.timing import TICK, TimeScale

UNCHECKED_WAIT = 40
"""Seconds after which ECS takes a task without any health check for healthy."""
BACK_OFF, MOST_BACK_OFF = 2, 900
"""Seconds until the next start after a failed task; doubled with each, up to 15 minutes."""
REMEMBERED = 3600
"""Seconds for which ECS knows a stopped task; not scaled, people read it."""
FAILED = {"TaskFailedToStart", "EssentialContainerExited"}

logger = logging.getLogger(__name__)


class Scheduler:
    """The service scheduler of all regions, one thread."""

    def __init__(self, regions: Callable[[], list[Region]], balancer: LoadBalancer, scale: TimeScale) -> None:
        self._regions = regions
        self._balancer = balancer
        self._scale = scale
        self._wake = threading.Event()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="scheduler", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def wake(self) -> None:
        """Look at once."""
        self._wake.set()

    def close(self) -> None:
        """Look no more."""
        self._end.set()
        self._wake.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._end.is_set():
            self._wake.wait(TICK)
            self._wake.clear()
            try:
                self._look()
            except Exception:
                logger.exception("the scheduler stumbled, and goes on")

    def _look(self) -> None:
        used: set[str] = set()
        for region in self._regions():
            with region.lock:
                for service in region.services.values():
                    if service.status != "INACTIVE":
                        used |= {one["targetGroupArn"] for one in service.settings.get("loadBalancers") or ()}
                        self._advance(region, service)
                _forget(region)
        wanted = target_groups.listeners()
        self._balancer.listen({port: group for port, group in wanted.items() if group in used})

    def _advance(self, region: Region, service: Service) -> None:
        tasks = region.tasks_of(service)
        for task in tasks:
            self._announce(service, task)
            self._judge(service, task)
        if deployments.trips(service.primary, service.configuration, service.desired):
            rollouts.fail(service)
        left = [task for task in tasks if task.status != "STOPPED"]
        standing = [Standing(t.id, t.started_by, t.desired == "RUNNING", self._healthy(t)) for t in left]
        plan = deployments.plan(service.primary, standing, service.configuration, service.desired)
        self._carry_out(region, service, plan)
        self._tell(service, plan, left)

    def _announce(self, service: Service, task: Task) -> None:
        """Tell once that the load balancer knows the task."""
        if (
            not task.announced
            and task.targets
            and all(self._balancer.target(one.group, task.id) for one in task.targets)
        ):
            task.announced = True
            for target in task.targets:
                service.say(f"registered 1 targets in (target-group {target.group})")

    def _judge(self, service: Service, task: Task) -> None:
        """Count the success or the failure of a task with its deployment, once."""
        deployment = next((one for one in service.deployments if one.id == task.started_by), None)
        if deployment is None or task.judged:
            return
        sick = self._sickness(task) if task.desired == "RUNNING" else None
        if sick:
            event, reason = sick
            service.say(event)
            self._stop(service, task, reason)
        if sick or task.stop_code in FAILED:
            task.judged = True
            service.steady = False
            deployment.failures += 1
            pause = min(BACK_OFF * 2 ** (deployment.failures - 1), MOST_BACK_OFF)
            service.launch_at = monotonic() + self._scale.wait(pause)
        elif not task.was_healthy and self._healthy(task):
            task.was_healthy = True
            if deployments.resets(service.configuration):
                deployment.failures = 0

    def _sickness(self, task: Task) -> tuple[str, str] | None:
        """Return event and stopped reason for a task that failed its health checks."""
        if any(one.health == "UNHEALTHY" for one in task.containers if one.essential):
            return f"(task {task.id}) failed container health checks.", "Task failed container health checks"
        for target in task.targets:
            found = self._balancer.target(target.group, task.id)
            if found and found.state == "unhealthy":
                where = f"(target-group {target.group})"
                event = f"(port {found.port}) is unhealthy in {where} due to (reason {found.reason})."
                return event, f"Task failed ELB health checks in {where}"
        return None

    def _healthy(self, task: Task) -> bool:
        """Return whether ECS counts this task as healthy (developer guide, "minimumHealthyPercent")."""
        if task.status != "RUNNING" or task.desired != "RUNNING" or task.running_since is None:
            return False
        checked = [one for one in task.containers if one.checked and one.essential]
        found = [self._balancer.target(one.group, task.id) for one in task.targets]
        if not checked and not found:
            return monotonic() - task.running_since >= self._scale.wait(UNCHECKED_WAIT)
        good = all(one.health == "HEALTHY" for one in checked)
        return good and all(one is not None and one.state == "healthy" for one in found)

    def _carry_out(self, region: Region, service: Service, plan: Plan) -> None:
        if plan.start and monotonic() >= service.launch_at:
            started = [launch(region, service, service.primary) for _ in range(plan.start)]
            service.say(f"has started {len(started)} tasks: {_named(started)}.")
        for identity in plan.stop:
            self._stop(
                service, region.tasks[identity], f"Scaling activity initiated by (deployment {service.primary.id})"
            )
        if plan.complete:
            rollouts.complete(service)

    def _tell(self, service: Service, plan: Plan, left: list[Task]) -> None:
        calm = not plan.start and not plan.stop and service.primary.rollout_state == "COMPLETED"
        if calm and not service.steady and all(self._healthy(task) for task in left):
            service.steady = True
            service.say("has reached a steady state.")
        if plan.stuck and not service.stuck:
            service.stuck = True
            service.say(
                "was unable to stop or start tasks during a deployment because of the service deployment configuration. "
                "Update the minimumHealthyPercent or maximumPercent value and try again."
            )
        if service.status == "DRAINING" and not left:
            service.status = "INACTIVE"

    def _stop(self, service: Service, task: Task, reason: str) -> None:
        task.stop(reason, "ServiceSchedulerInitiated")
        service.steady = False
        service.say(f"has stopped 1 running tasks: {_named([task])}.")
        for target in task.targets if task.announced else ():
            service.say(f"deregistered 1 targets in (target-group {target.group})")
        if task.announced:
            service.say("has begun draining connections on 1 tasks.")


def _named(tasks: list[Task]) -> str:
    return " ".join(f"(task {task.id})" for task in tasks)


def _forget(region: Region) -> None:
    """Forget what was stopped long ago, as ECS does."""
    for task in list(region.tasks.values()):
        stopped = task.times.get("stoppedAt")
        if task.status == "STOPPED" and stopped and (now() - stopped).total_seconds() > REMEMBERED:
            del region.tasks[task.id]
