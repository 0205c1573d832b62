"""Who is to blame for a stopped task, and when nothing more can come of a rollout."""

from dataclasses import replace

import pytest

from promoter.ecs.state import ContainerState, TaskState
from promoter.ecs.task_failures import Blame, blame, describe, failure, hopeless

EXITED = "Essential container in task exited"


def task(code: str | None, reason: str, exit_code: int | None = None, detail: str = "", number: int = 1) -> TaskState:
    """Return a stopped task."""
    return TaskState(
        arn=f"arn:aws:ecs:us-east-2:1:task/c/{number:032x}",
        definition="app:41",
        deployment="ecs-svc/1",
        last_status="STOPPED",
        desired_status="STOPPED",
        stop_code=code,
        stopped_reason=reason,
        containers=(ContainerState("app", exit_code, detail),),
    )


CRASH = task("EssentialContainerExited", EXITED, 3)
UNPULLABLE = task("TaskFailedToStart", "CannotPullContainerError: failed to resolve ref app:v1: not found")
STARVED = task("TaskFailedToStart", "ResourceInitializationError: unable to pull secrets or registry auth: Throttling")
SICK = task("ServiceSchedulerInitiated", "Task failed container health checks", 0)


@pytest.mark.parametrize(
    ("stopped", "expected"),
    [
        pytest.param(CRASH, "release", id="crash"),
        pytest.param(task("EssentialContainerExited", EXITED, 137, "OutOfMemoryError"), "release", id="out of memory"),
        pytest.param(task("EssentialContainerExited", EXITED, 0), "release", id="ended by itself"),
        pytest.param(
            task("TaskFailedToStart", "CannotStartContainerError: exec: no such file"), "release", id="no such command"
        ),
        pytest.param(SICK, "health", id="container health check"),
        pytest.param(task("ServiceSchedulerInitiated", "Task failed ELB health checks in (tg)"), "health", id="ELB"),
        pytest.param(UNPULLABLE, "image", id="no such image"),
        pytest.param(
            task("TaskFailedToStart", "CannotPullContainerError: does not match platform linux/amd64"),
            "image",
            id="wrong platform",
        ),
        pytest.param(
            task("TaskFailedToStart", "CannotPullContainerError: i/o timeout"), "platform", id="registry unreachable"
        ),
        pytest.param(
            task("TaskFailedToStart", "CannotPullContainerError: toomanyrequests"), "platform", id="registry throttles"
        ),
        pytest.param(STARVED, "platform", id="secrets throttled"),
        pytest.param(task("TaskFailedToStart", "Capacity is unavailable at this time"), "platform", id="capacity"),
        pytest.param(task("SpotInterruption", "Spot interruption"), "platform", id="spot"),
        pytest.param(task("ServiceSchedulerInitiated", "Scaling activity initiated by x", 143), None, id="scaled in"),
        pytest.param(task("UserInitiated", "Task stopped by user", 143), None, id="stopped by a person"),
    ],
)
def test_who_is_to_blame(stopped: TaskState, expected: Blame | None) -> None:
    """The stop code and the reasons tell the release's faults from the platform's."""
    assert blame(stopped) == expected


@pytest.mark.parametrize(
    ("tasks", "expected"),
    [
        pytest.param([], None, id="nothing stopped"),
        pytest.param([CRASH], None, id="one crash"),
        pytest.param([CRASH, replace(CRASH, arn="x/2")], "2 tasks crashed alike", id="two alike"),
        pytest.param([CRASH, task("EssentialContainerExited", EXITED, 4)], None, id="two different crashes"),
        pytest.param([UNPULLABLE], "the image cannot be pulled", id="no such image"),
        pytest.param([STARVED, STARVED, STARVED], None, id="the platform, three times"),
        pytest.param([SICK, SICK], None, id="health checks are the breaker's matter"),
        pytest.param(
            [
                task("TaskFailedToStart", "CannotStartContainerError: container 0123456789abcdef: no such file"),
                task("TaskFailedToStart", "CannotStartContainerError: container fedcba9876543210: no such file"),
            ],
            "2 tasks crashed alike",
            id="alike but for an id",
        ),
    ],
)
def test_when_nothing_more_can_come_of_it(tasks: list[TaskState], expected: str | None) -> None:
    """Two alike crashes or an image that is not there end a rollout; the platform's failures never do."""
    assert hopeless(tasks) == expected


def test_a_task_is_told_in_one_line() -> None:
    """Stop code, reasons and exit code of each container."""
    told = describe(task("EssentialContainerExited", EXITED, 137, "OutOfMemoryError: killed", number=7))

    assert told == (
        f"task {7:032x}: EssentialContainerExited; {EXITED}; container app: exit code 137 (OutOfMemoryError: killed)"
    )


def test_the_platform_is_not_blamed_on_the_release() -> None:
    """A rollout that only the platform stopped may be tried again."""
    assert failure("it failed", [STARVED, STARVED]).transient
    assert not failure("it failed", [STARVED, CRASH]).transient
    assert not failure("it failed", []).transient
