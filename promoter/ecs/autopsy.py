"""Reads at once what failed tasks leave behind, before ECS forgets them: codes, reasons, last log lines."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from promoter.ecs import task_definitions
from promoter.ecs.service import EcsService
from promoter.ecs.state import TaskState
from promoter.ecs.task_failures import blame, describe
from promoter.errors import RolloutError
from promoter.masking import mask
from promoter.text import printable

if TYPE_CHECKING:
    from mypy_boto3_ecs.type_defs import ContainerDefinitionOutputTypeDef

SHOWN_TASKS = 3
SHOWN_LINES = 20
UNREADABLE = (RolloutError, ClientError, BotoCoreError)
"""What reading a log may raise."""
ERROR_LINE = re.compile(r"^\s*((?:\w+\.)*[A-Z]\w*(?:Error|Exception)\b.*)$", re.MULTILINE)
"""The line with which a traceback, or a logger, names an error."""


class LogStream(NamedTuple):
    """Where the awslogs driver writes what one container says."""

    group: str
    stream: str


def log_stream(container: "ContainerDefinitionOutputTypeDef", task: str) -> LogStream | None:
    """Return the stream of `container` in the task with this id; None without the awslogs driver and a stream prefix.

    The name `prefix/container/task` is the driver's own rule; without a prefix it is the engine's container id, which ECS does not tell.
    """
    log = container.get("logConfiguration")
    if log is None or log["logDriver"] != "awslogs":
        return None
    options = log.get("options", {})
    group, prefix = options.get("awslogs-group"), options.get("awslogs-stream-prefix")
    return LogStream(group, f"{prefix}/{container.get('name', '')}/{task}") if group and prefix else None


def account(service: EcsService, tasks: Sequence[TaskState], secrets: Sequence[str] = ()) -> str:
    """Return what the newest failed tasks of `tasks` say about their end, "" if none failed; `secrets` are shown as `***`.

    An account that cannot be had is said in its place: it never hides the failure itself.
    """
    failed = sorted((task for task in tasks if blame(task)), key=lambda task: task.created_at, reverse=True)
    lines = [describe(task) for task in failed[:SHOWN_TASKS]]
    if failed:
        lines += _last_words(service, failed[0])
    return mask("\n".join(lines), secrets)


def named_error(account: str) -> str | None:
    """Return the last line of an account that names an error, None if none does: the shortest cause a person can be given."""
    found = ERROR_LINE.findall(account)
    return str(found[-1]).strip() if found else None


def last_lines(service: EcsService, task: TaskState, limit: int = SHOWN_LINES) -> list[str]:
    """Return up to `limit` of the last lines that the environment's container said in `task`; none where it logs elsewhere.

    Raises RolloutError, ClientError or BotoCoreError.
    """
    container = task_definitions.find(service.definition(task.definition), service.environment.container)
    stream = log_stream(container, task.id)
    return _read(service, stream, limit) if stream else []


def _last_words(service: EcsService, task: TaskState) -> list[str]:
    try:
        said = last_lines(service, task)
    except UNREADABLE as error:
        return [f"its log cannot be read: {printable(str(error))}"]
    return quoted(said)


def quoted(said: Sequence[str]) -> list[str]:
    """Return the last of the lines `said` as an account shows them."""
    return ["its last log lines:", *(f"    {line}" for line in said[-SHOWN_LINES:])] if said else []


def _read(service: EcsService, stream: LogStream, limit: int) -> list[str]:
    try:
        answer = service.logs.get_log_events(
            logGroupName=stream.group, logStreamName=stream.stream, limit=limit, startFromHead=False
        )
    except service.logs.exceptions.ResourceNotFoundException:
        return []
    return [printable(event.get("message", "")) for event in answer["events"][-limit:]]
