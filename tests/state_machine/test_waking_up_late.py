"""A process that hung before a change, was passed over and wakes up: told once for each change that a promotion makes, without chance."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from flows import promote, recover
from tests.state_machine.machine import STRIDE, Installation, Plant, Promotions
from tests.state_machine.processes import Kind, Process
from tests.state_machine.test_planted_faults import lease_without_fencing
from tests.state_machine.world import InvariantError

CHANGES = range(6)
"""What a promotion to main changes, in its order: image, schema, definition, service, and after VERIFIED the names."""


@contextmanager
def story(installation: Installation, plant: Plant | None = None) -> Iterator[Promotions]:
    """Yield a story with one commit that migrates and is good; at its end everything has to be whole."""
    machine = type("Story", (Promotions,), {"installation": replace(installation, plant=plant)})()
    machine.begin(drawn=[("good", True, True, True)] * 4, lingers=1)
    try:
        yield machine
    finally:
        machine.teardown()


def begin(machine: Promotions, name: str, program: Callable[[], object]) -> Process:
    """Start a process that has made no call yet."""
    machine._start(name, program)
    return machine.processes[-1]


def wake_up_late(machine: Promotions, changes: int) -> None:
    """Let a promotion hang before a change, let another bring it to an end, and wake it up."""
    commit = machine.world.commits[1]
    late = begin(machine, "push of 1", lambda: promote.promote_main("api", "main", commit.hash))
    for _ in range(changes):
        late.go_to(Kind.CHANGE, STRIDE)
        late.go_on()
    late.go_to(Kind.CHANGE, STRIDE)
    assert late.lives, "there is no such change"
    machine.fall_silent()
    begin(machine, "recover", recover.recover_all).go_to(Kind.START, STRIDE)
    late.go_to(Kind.START, STRIDE)
    machine.nothing_forbidden_was_seen()


@pytest.mark.parametrize("changes", CHANGES)
def test_who_wakes_up_late_is_refused(installation: Installation, changes: int) -> None:
    """The environment is whole although the sleeper goes on as if nothing had happened."""
    with story(installation) as machine:
        wake_up_late(machine, changes)


def test_a_lease_without_fencing_lets_a_sleeper_change_what_is_no_longer_its_own(installation: Installation) -> None:
    """This is what fencing is for: without it at least one of these stories breaks I3."""
    broken = 0
    for changes in CHANGES:
        try:
            with story(installation, lease_without_fencing) as machine:
                wake_up_late(machine, changes)
        except InvariantError as error:
            broken += str(error).startswith("I3")

    assert broken > 0
