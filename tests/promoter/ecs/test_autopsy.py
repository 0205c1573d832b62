"""What failed tasks leave behind is told shortest first."""

import pytest

from promoter.ecs.autopsy import named_error

TRACEBACK = """task 63b1: ServiceSchedulerInitiated; Task failed ELB health checks; container api: exit code 143
its last log lines:
      File "/opt/app/health.py", line 27, in health
    TypeError: can't subtract offset-naive and offset-aware datetimes
    INFO: Shutting down"""


def test_a_traceback_is_told_by_its_last_line() -> None:
    """Nobody reads twenty lines to find the one that matters."""
    assert named_error(TRACEBACK) == "TypeError: can't subtract offset-naive and offset-aware datetimes"


def test_the_newest_error_is_the_one_that_is_named() -> None:
    """The one before it was only on the way there."""
    log = "    KeyError: 'PAYMENT_API_KEY'\n    pydantic.ValidationError: 1 validation error for Settings"

    assert named_error(log) == "pydantic.ValidationError: 1 validation error for Settings"


@pytest.mark.parametrize("account", ["", "exit code 137", "    INFO: no errors so far", "    an error occurred"])
def test_an_account_without_an_error_names_none(account: str) -> None:
    """Codes and reasons stand for themselves."""
    assert named_error(account) is None
