"""Decides from a stopped task alone who is to blame, and when further tasks would only fail the same way; pure."""

import re
from collections.abc import Iterable
from typing import Literal

from promoter.ecs.state import TaskState
from promoter.errors import RolloutError

Blame = Literal["image", "release", "health", "platform"]

PULL = ("CannotPullContainer", "CannotPullImageManifest", "CannotPullECRContainer", "ImageNotFound")
PASSING = re.compile(
    r"timed? ?out|timeout|deadline exceeded|too ?many ?requests|\b429\b|\b50[0234]\b|connection re(set|fused)|"
    r"temporary|try again|no such host|unexpected eof|i/o|throttl|rate exceeded",
    re.IGNORECASE,
)
"""What a registry or a network says on a bad day; the next task may well pull the same image."""
PLATFORM = (
    "ResourceInitializationError",
    "CannotCreateVolume",
    "DockerTimeout",
    "InternalError",
    "OutOfDisk",
    "Capacity",
)
PLATFORM_CODES = {"SpotInterruption", "TerminationNotice", "InfrastructureHealth"}
ALIKE = 2
"""Crashes of the same kind that end a rollout."""


def blame(task: TaskState) -> Blame | None:
    """Return who stopped `task`: its image, its own crash, its health checks, the platform; None if ECS or a person meant to."""
    text = " ".join([task.stopped_reason, *(container.reason for container in task.containers)])
    if task.stop_code in PLATFORM_CODES or any(word in text for word in PLATFORM):
        return "platform"
    if any(word in text for word in PULL):
        return "platform" if PASSING.search(text) else "image"
    if "health checks" in text:
        return "health"
    if task.stop_code == "EssentialContainerExited":
        return "release"
    if task.stop_code == "TaskFailedToStart":
        return "platform" if PASSING.search(text) else "release"
    return None


def hopeless(tasks: Iterable[TaskState]) -> str | None:
    """Return why no further task of this definition can run, None while one may.

    An image that cannot be pulled is enough; of crashes it takes two that are alike. A platform's failure never counts.
    """
    seen: dict[tuple[object, ...], int] = {}
    for task in tasks:
        who = blame(task)
        if who == "image":
            return "the image cannot be pulled"
        if who == "release":
            crash = _crash(task)
            seen[crash] = seen.get(crash, 0) + 1
            if seen[crash] == ALIKE:
                return f"{ALIKE} tasks crashed alike"
    return None


def platform_only(tasks: Iterable[TaskState]) -> bool:
    """Say whether tasks failed and every one of them by the platform's fault."""
    blames = {blame(task) for task in tasks} - {None}
    return blames == {"platform"}


def describe(task: TaskState) -> str:
    """Return one line: task, stop code, exit codes, reasons."""
    parts = [f"task {task.id}: {task.stop_code or task.last_status}"]
    parts += [task.stopped_reason] if task.stopped_reason else []
    for container in task.containers:
        code = "no exit code" if container.exit_code is None else f"exit code {container.exit_code}"
        reason = f" ({container.reason})" if container.reason else ""
        parts.append(f"container {container.name}: {code}{reason}")
    return "; ".join(parts)


def failure(message: str, tasks: Iterable[TaskState], *, hint: str | None = None) -> RolloutError:
    """Return the error of a rollout whose new tasks ended as `tasks`; one that is the platform's fault alone is transient."""
    if platform_only(tasks):
        return RolloutError(
            f"{message}\nThe platform failed, not the release.", hint="Run the same promotion again.", transient=True
        )
    return RolloutError(message, hint=hint)


def _crash(task: TaskState) -> tuple[object, ...]:
    """Return what two alike crashes share: codes and reasons, without the ids and addresses in them."""
    reasons = [(container.name, container.exit_code, _constant(container.reason)) for container in task.containers]
    return (task.stop_code, _constant(task.stopped_reason), *reasons)


def _constant(reason: str) -> str:
    return re.sub(r"[0-9a-f]{8,}|\d+", "#", reason)
