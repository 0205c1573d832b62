"""Rollouts and their way back on the sandbox's ECS, which really starts the tasks of real images."""

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from promoter.ecs import rollout_rules, rollouts
from promoter.errors import FrozenError, RolloutError
from promoter.records import Rollout


def test_a_good_release_is_followed_to_its_end(api: Any) -> None:
    """The rollout ends COMPLETED, only new tasks run, and each event was told once."""
    rollout = api.begin("better")

    done = api.follow(rollout)

    assert replace(done, seconds=0.0) == rollout
    api.assert_is_at(rollout.after, rollout.before)
    events = [line for line in api.told if line.startswith("(service")]
    assert len(events) == len(set(events))
    assert any("has started 2 tasks" in line for line in events)
    assert "2 of 2 running" in api.told[-1] or any("2 of 2 running" in line for line in api.told)


def test_a_crash_ends_the_rollout_with_its_cause(api: Any) -> None:
    """Stop code, exit code and last log lines are in the message, secrets and control characters are not."""
    rollout = api.begin("crash")

    with pytest.raises(RolloutError) as caught:
        api.follow(rollout)

    message = caught.value.message
    assert "tasks crashed alike" in message or "circuit breaker" in message or "ECS went back" in message
    assert "EssentialContainerExited; Essential container in task exited; container api: exit code 3" in message
    assert "FATAL cannot reach postgresql://app:***@db/notes and ***" in message
    assert not caught.value.transient
    api.roll_back(rollout)
    api.assert_is_at(rollout.before, rollout.after)


def test_an_image_that_is_not_there_ends_the_rollout_at_once(api: Any) -> None:
    """One task that cannot pull its image is enough."""
    rollout = api.begin("gone")

    with pytest.raises(RolloutError, match="the image cannot be pulled") as caught:
        api.follow(rollout)

    assert "CannotPullContainerError" in caught.value.message
    api.roll_back(rollout)
    api.assert_is_at(rollout.before, rollout.after)


def test_a_sick_release_is_taken_back_by_the_breaker(api: Any) -> None:
    """A service that is stable again, on the old definition, is no success."""
    rollout = api.begin("sick")

    with pytest.raises(RolloutError, match="Task failed container health checks"):
        api.follow(rollout)

    api.roll_back(rollout)
    api.assert_is_at(rollout.before, rollout.after)


def test_our_own_deadline_stands_behind_the_breaker(api: Any) -> None:
    """A rollout that takes too long has failed, and can be taken back while it is in progress."""
    rollout = api.begin("better")

    with pytest.raises(RolloutError, match="not complete after"):
        api.follow(rollout, timeout=0.01)

    back = api.roll_back(rollout)
    assert (back.before, back.after) == (rollout.after, rollout.before)
    assert any(line.startswith("stopping the deployment") for line in api.told)
    api.assert_is_at(rollout.before, rollout.after)


def test_a_complete_release_is_taken_back(api: Any) -> None:
    """A release that is complete but not healthy goes back to the recorded definition."""
    rollout = api.follow(api.begin("better"))

    api.roll_back(rollout)

    api.assert_is_at(rollout.before, rollout.after)


def test_the_way_back_is_idempotent(api: Any) -> None:
    """Where all is old already, nothing is done."""
    rollout = api.begin("better")
    first = api.roll_back(rollout)
    events = api.ecs.describe().events

    second = api.roll_back(rollout)

    assert replace(second, seconds=0.0) == replace(first, seconds=0.0)
    assert api.ecs.describe().events == events


def test_two_ways_back_and_the_breaker_end_at_the_same_place(api: Any) -> None:
    """Two who go back at once, while the circuit breaker acts, do not fight."""
    rollout = api.begin("crash")
    errors: list[BaseException] = []

    def go() -> None:
        try:
            rollouts.roll_back(api.ecs, rollout, timeout=60, notice=lambda _: None)
        except BaseException as error:  # noqa: BLE001 - told to the test
            errors.append(error)

    threads = [threading.Thread(target=go) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []
    api.assert_is_at(rollout.before, rollout.after)


def test_somebody_elses_deployment_is_not_fought(api: Any) -> None:
    """A service that runs neither the old nor the new definition needs a person."""
    rollout = api.begin("better")
    other = api.begin("good", "p-9")

    with pytest.raises(RolloutError, match="took its place"):
        api.follow(rollout)
    with pytest.raises(FrozenError, match="somebody else deployed it"):
        api.roll_back(rollout)

    api.follow(other)


def test_a_first_deployment_has_nothing_to_go_back_to(api: Any) -> None:
    """Without a definition before it, a person is needed."""
    with pytest.raises(FrozenError, match="nothing to go back to"):
        api.roll_back(Rollout("", api.ecs.check().task_definition))


def test_an_old_release_that_never_ran_ends_frozen(
    make_api: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service that never ran is left at its own definition, scaled as it was."""
    monkeypatch.setattr(rollout_rules, "BREAKER_PATIENCE", 0.5)
    api = make_api("crash")
    rollout = api.begin("sick")

    with pytest.raises(RolloutError):
        api.follow(rollout)
    with pytest.raises(FrozenError, match="does not run either") as caught:
        api.roll_back(rollout)

    assert "exit code 3" in caught.value.message
    state = api.ecs.describe()
    assert (state.task_definition, state.desired_count) == (rollout.before, 2)


def test_a_stop_that_is_refused_becomes_an_update(api: Any, answer_instead: Callable[..., None]) -> None:
    """Who may not stop a deployment goes back by UpdateService."""
    answer_instead("StopServiceDeployment", "AccessDeniedException")
    rollout = api.begin("better")

    api.roll_back(rollout)

    assert any("cannot be stopped" in line for line in api.told)
    api.assert_is_at(rollout.before, rollout.after)


def test_a_stop_that_comes_too_late_is_no_error(api: Any, answer_instead: Callable[..., None]) -> None:
    """A deployment that ended by itself at that moment is taken back as a complete one."""
    answer_instead("StopServiceDeployment", "ConflictException")
    rollout = api.begin("better")

    api.roll_back(rollout)

    assert "it has ended by itself" in api.told
    api.assert_is_at(rollout.before, rollout.after)


def test_throttling_is_waited_out(api: Any, answer_instead: Callable[..., None]) -> None:
    """A question that ECS has no time for is asked again, there and back."""
    rollout = api.begin("better")

    answer_instead("DescribeServices", "ThrottlingException", times=2)
    api.follow(rollout)
    answer_instead("ListTasks", "ThrottlingException", times=2)
    api.roll_back(rollout)

    assert sum("ThrottlingException" in line for line in api.told) == 4
    api.assert_is_at(rollout.before, rollout.after)


def test_a_refused_question_ends_the_rollout(api: Any, answer_instead: Callable[..., None]) -> None:
    """What is not allowed now will not be allowed later."""
    rollout = api.begin("better")
    answer_instead("DescribeServices", "AccessDeniedException", times=1)

    with pytest.raises(RolloutError, match="AccessDeniedException") as caught:
        api.follow(rollout)

    assert (
        caught.value.hint
        == "Allow it in the policy of the role that promotes; `promoter doctor` names all that is missing."
    )
    api.follow(rollout)
