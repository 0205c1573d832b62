"""What the state hooks say of a run that failed."""

import asyncio
from typing import get_args

import pytest
from prefect.client.schemas.objects import State
from prefect.states import Cancelled, Crashed, exception_to_failed_state

from flows.hooks import _cause
from promoter.errors import SecretError
from promoter.ledger.promotions import Outcome
from tasks.report import STATE_NAMES


def test_every_outcome_has_a_state_name_of_its_own() -> None:
    """A run that ended can be told by its name."""
    assert set(STATE_NAMES) == set(get_args(Outcome))
    assert len(set(STATE_NAMES.values())) == len(STATE_NAMES)


def failed(error: Exception) -> State[BaseException]:
    """Return the final state of a run that `error` ended."""
    return asyncio.run(exception_to_failed_state(error))


def test_an_error_of_ours_is_told_in_its_own_words() -> None:
    """Message and hint, without Prefect's words around them."""
    state = failed(SecretError("no secret", hint="Make it."))

    assert _cause(state) == "no secret\n→ Make it."


def test_any_other_error_is_told_as_prefect_tells_it() -> None:
    """Nothing is lost that nobody foresaw."""
    assert "ZeroDivisionError: by nothing" in _cause(failed(ZeroDivisionError("by nothing")))


@pytest.mark.parametrize("state", [Crashed(message="the process ended"), Cancelled(message="the process ended")])
def test_a_run_without_an_error_is_told_by_its_message(state: State[object]) -> None:
    """A crash or a cancellation has nothing else."""
    assert _cause(state) == "the process ended"


def test_a_state_without_words_is_told_by_its_name() -> None:
    """There is always a cause."""
    assert _cause(Crashed()) == "Crashed"
