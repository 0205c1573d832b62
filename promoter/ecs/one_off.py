"""Runs one task to its end, beside the service and where the service runs, with a command of its own; never twice for one wish."""

import itertools
import uuid
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from promoter.config import Environment
from promoter.ecs import autopsy, exposure, task_definitions
from promoter.ecs.service import EcsService
from promoter.ecs.state import ServiceState, TaskState
from promoter.ecs.task_failures import describe
from promoter.errors import RolloutError
from promoter.pace import Pace

if TYPE_CHECKING:
    from mypy_boto3_ecs.type_defs import RunTaskRequestTypeDef

SHORTEST, LONGEST = 0.25, 5.0
"""Seconds between two questions; DescribeTasks allows 20 a second for the whole account."""
UNSEEN = 30.0
"""Seconds that ECS may take to show a task that it has just started."""
STOP_LIMIT = 180.0
"""Seconds that a task may take to end once it was asked to; its `stopTimeout` is 120 at most."""
LOG_LIMIT = 5.0
"""Seconds that the last log lines of a task that ended may be on their way."""
READ_LINES = 200
"""Log lines that are read of it; a traceback is long."""
TOKENS = uuid.UUID("6d0f5c3e-4a0b-4c57-9b5a-0f4f4f1f0b6e")
"""The namespace of our client tokens."""


@dataclass(frozen=True)
class Errand:
    """What one task is to do."""

    definition: str
    """ARN of its task definition."""
    command: tuple[str, ...]
    """Takes the place of the image's command, and is given to its entry point."""
    variables: Mapping[str, str]
    """Plain variables besides the definition's; one that the definition takes from a secret stays the secret's."""
    started_by: str
    """For whom; up to 128 letters, digits, `-`, `_` and `/`. By it the tasks of one promotion are known."""
    purpose: str
    """What for, in a word."""


@dataclass(frozen=True)
class Ended:
    """A task that is STOPPED."""

    task: TaskState
    exit_code: int | None
    """Of the environment's container; None where it never ran, or ECS lost it."""
    said: tuple[str, ...]
    """The last lines of its log."""


def request(
    errand: Errand,
    service: ServiceState,
    environment: Environment,
    *,
    attempt: int,
    hidden: Collection[str] = (),
) -> "RunTaskRequestTypeDef":
    """Return the RunTask request of one attempt at `errand`, placed as `service` is; `hidden` are the definition's secret variables.

    Equal wishes have equal tokens, so an attempt whose answer was lost is found by asking again. Raises RolloutError where a
    variable would show a secret.
    """
    variables = {name: value for name, value in errand.variables.items() if name not in hidden}
    told = {name: value for name, value in variables.items() if name not in environment.plain_variables}
    shown = [name for name, value in told.items() if exposure.looks_secret(name, value)]
    if shown:
        raise RolloutError(
            f"the task would show what looks like a secret to everybody who may describe it: {', '.join(sorted(shown))}",
            hint="Move it to the container's `secrets`, by the ARN of the secret. If it is none, name it in `plain_variables`.",
        )
    token = uuid.uuid5(TOKENS, "/".join([errand.started_by, errand.purpose, *errand.command, str(attempt)]))
    override = {
        "name": environment.container,
        "command": list(errand.command),
        "environment": [{"name": name, "value": value} for name, value in sorted(variables.items())],
    }
    wanted: dict[str, Any] = {
        "cluster": environment.cluster,
        "taskDefinition": errand.definition,
        "count": 1,
        "startedBy": errand.started_by,
        "clientToken": str(token),
        "overrides": {"containerOverrides": [override]},
        **service.placement,
    }
    return cast("RunTaskRequestTypeDef", cast("Any", wanted))


def run(service: EcsService, errand: Errand, *, timeout: float) -> Ended:
    """Run a task for `errand` and return how it ended; after `timeout` seconds, and on any exception here, it is stopped.

    Raises RolloutError; it is transient where ECS had no room, or the time was up.
    """
    hidden = _secret_names(service, errand.definition)
    place = service.describe()
    known = {task.arn for task in _all(service, errand.started_by)}
    for attempt in itertools.count(len(known)):
        arn = _start(service, request(errand, place, service.environment, attempt=attempt, hidden=hidden))
        task = None if arn is None or arn in known else _watch(service, arn, timeout)
        if task is not None:
            code = _exit_code(service, task)
            return Ended(task, code, tuple(_said(service, task)) if code else ())
    raise AssertionError  # pragma: no cover - there is no last attempt


def end(service: EcsService, started_by: str) -> int:
    """Stop every task that was run for `started_by` and return, once all are STOPPED, how many there were.

    Raises RolloutError (transient) where one does not end.
    """
    left = [task.arn for task in _all(service, started_by) if task.last_status != "STOPPED"]
    for arn in left:
        _stop(service, arn, "Whoever started this task is gone")
    pace = Pace(STOP_LIMIT, SHORTEST, LONGEST)
    while any(task.last_status != "STOPPED" for task in service.read_tasks(left)):
        if not pace.left:
            raise RolloutError(f"{service}: a task of {started_by} does not end", transient=True)
        pace.rest()
    return len(left)


def _all(service: EcsService, started_by: str) -> list[TaskState]:
    """Return the tasks that were run for `started_by`, as far as ECS remembers them.

    ListTasks takes `startedBy` only alone, and shows the running ones then; so it is read from the tasks of the family.
    """
    family = task_definitions.family(service.describe().task_definition)
    arns = [arn for status in ("RUNNING", "STOPPED") for arn in service.list_tasks(family=family, desiredStatus=status)]
    return [task for task in service.read_tasks(arns) if task.deployment == started_by]


def _secret_names(service: EcsService, definition: str) -> set[str]:
    """Return the variables that the environment's container takes from secrets; raise RolloutError where its end is not the task's."""
    container = task_definitions.find(service.definition(definition), service.environment.container)
    if container.get("essential") is False:
        raise RolloutError(
            f"{service}: container {service.environment.container!r} is not essential, so a task would go on after its end",
            hint="Name the container whose end is the task's as `container` of the environment, or let this one be `essential`.",
        )
    return {one["name"] for one in container.get("secrets", [])}


def _start(service: EcsService, wanted: "RunTaskRequestTypeDef") -> str | None:
    """Start a task and return its ARN, or that of the one that this wish has started; None where another wish had the token."""
    service.fence()
    name = task_definitions.name(wanted["taskDefinition"])
    with service.asking(f"run a task of {name}"):
        try:
            answer = service.client.run_task(**wanted)
        except service.client.exceptions.ConflictException:
            return None
    if answer["tasks"]:
        return answer["tasks"][0]["taskArn"]
    reasons = [" ".join(filter(None, (one.get("reason"), one.get("detail")))) for one in answer.get("failures", [])]
    raise RolloutError(
        f"{service}: ECS started no task of {name}: {'; '.join(reasons) or 'it does not say why'}",
        hint="Nothing was started. It is tried again; if there never is room, change the service's capacity.",
        transient=True,
    )


def _watch(service: EcsService, arn: str, timeout: float) -> TaskState | None:
    """Return the task once it is STOPPED; None where ECS has forgotten it, since it is one of an hour ago and more."""
    try:
        task = _until_stopped(service, arn, Pace(timeout, SHORTEST, LONGEST))
        if task is None or task.last_status == "STOPPED":
            return task
        _stop(service, arn, f"It is not done after {timeout:g} s")
        ended = _until_stopped(service, arn, Pace(STOP_LIMIT, SHORTEST, LONGEST)) or task
    except BaseException:
        with suppress(RolloutError):
            _stop(service, arn, "Whoever started this task gave it up")
        raise
    account = "\n".join([describe(ended), *autopsy.quoted(_said(service, ended))])
    raise RolloutError(
        f"{service}: a task was stopped, for it was not done after {timeout:g} s\n{account}", transient=True
    )


def _until_stopped(service: EcsService, arn: str, pace: Pace) -> TaskState | None:
    """Return the task when it is STOPPED or the time is up, as it was last seen; None where ECS does not know it."""
    task: TaskState | None = None
    while True:
        try:
            found = service.read_tasks([arn])
        except RolloutError as error:
            if not error.transient:
                raise
        else:
            task = found[0] if found else task
            if task is None and pace.seconds > UNSEEN:
                return None
        if task is not None and (task.last_status == "STOPPED" or not pace.left):
            return task
        if not pace.left and task is None:
            raise RolloutError(f"{service}: ECS does not say what became of task {arn}", transient=True)
        pace.rest()


def _stop(service: EcsService, arn: str, reason: str) -> None:
    with service.asking("stop a task"):
        service.client.stop_task(cluster=service.environment.cluster, task=arn, reason=reason)


def _exit_code(service: EcsService, task: TaskState) -> int | None:
    return next((one.exit_code for one in task.containers if one.name == service.environment.container), None)


def _said(service: EcsService, task: TaskState) -> list[str]:
    """Return the last lines of a task that ended; none where they cannot be read: that never hides how it ended."""
    pace = Pace(LOG_LIMIT, SHORTEST, LONGEST)
    with suppress(*autopsy.UNREADABLE):
        while not (said := autopsy.last_lines(service, task, READ_LINES)) and pace.left:
            pace.rest()
        return said
    return []
