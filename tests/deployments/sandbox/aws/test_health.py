"""How answers of health checks are counted."""

from deployments.sandbox.aws.health import ContainerCheck, ContainerHealth, TargetHealth, container_check
from deployments.sandbox.aws.timing import TimeScale

CHECK = ContainerCheck(interval=1, timeout=1, retries=2, start_period=3, patience=10)


def test_a_container_is_unhealthy_after_as_many_failures_in_a_row_as_it_has_retries() -> None:
    """A good answer in between sets the count back."""
    health = ContainerHealth(CHECK)

    seen = [health.see(passed=passed, age=99, listening=99) for passed in (True, False, True, False, False)]

    assert seen == ["HEALTHY", "HEALTHY", "HEALTHY", "HEALTHY", "UNHEALTHY"]


def test_failures_of_a_container_that_comes_up_do_not_count() -> None:
    """Before it listens the patience counts, which is not scaled; afterwards the start period."""
    health = ContainerHealth(CHECK)
    moments = [(1.0, None), (9.0, None), (9.5, 0.5), (11.5, 2.5), (12.5, 3.5), (13.5, 4.5)]

    seen = [health.see(passed=False, age=age, listening=listening) for age, listening in moments]

    assert seen == ["UNKNOWN"] * 5 + ["UNHEALTHY"]


def test_a_container_that_never_listens_is_unhealthy_in_the_end() -> None:
    """Patience has an end."""
    health = ContainerHealth(CHECK)

    seen = [health.see(passed=False, age=age, listening=None) for age in (9, 11, 12)]

    assert seen == ["UNKNOWN", "UNKNOWN", "UNHEALTHY"]


def test_the_defaults_are_those_of_ecs() -> None:
    """Every 30 s, three retries, and only the waits are scaled."""
    check = container_check({"healthCheck": {"command": ["CMD", "true"]}}, TimeScale(0.1))

    assert check == ContainerCheck(interval=3, timeout=5, retries=3, start_period=0, patience=90)


def test_a_target_is_healthy_with_its_first_good_answer_and_slower_the_second_time() -> None:
    """The healthy threshold holds for targets that were unhealthy."""
    health = TargetHealth(healthy_after=2, unhealthy_after=2)

    seen = [health.see(passed=passed) for passed in (True, False, False, True, True)]

    assert seen == [True, True, False, False, True]
