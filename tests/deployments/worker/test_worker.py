"""Our worker stands beside Prefect's, and gives away only what fits."""

from pathlib import Path

import pytest
from prefect.utilities.dispatch import lookup_type
from prefect.workers.base import BaseWorker
from prefect.workers.process import ProcessJobConfiguration, ProcessWorker

from deployments.worker.worker import Worker, is_plain, variables


def test_who_asks_prefect_for_a_process_worker_gets_prefects() -> None:
    """Ours is of the same type, for the same pools."""
    assert Worker.type == "process"
    assert lookup_type(BaseWorker, "process") is ProcessWorker


@pytest.mark.parametrize(
    ("job", "plain"),
    [
        ({}, True),
        ({"env": {"A": "1"}}, True),
        ({"command": "python -m prefect.engine"}, False),
        ({"working_dir": str(Path(__file__).parent)}, False),
        ({"stream_output": True}, False),
    ],
)
def test_a_job_is_plain_where_it_asks_for_nothing_but_a_process(job: dict[str, object], *, plain: bool) -> None:
    """Everything else is Prefect's own business."""
    configuration = ProcessJobConfiguration.model_validate({"stream_output": False, **job})
    configuration._command_configured = configuration.command is not None

    assert is_plain(configuration) is plain


def test_a_variable_without_a_value_is_none_of_the_jobs() -> None:
    """As a job template leaves them; hooks are the worker's to run."""
    found = variables(ProcessJobConfiguration(env={"A": "1", "B": None}))

    assert (found["A"], "B" in found) == ("1", False)
    assert found["PREFECT__ENABLE_CANCELLATION_AND_CRASHED_HOOKS"] == "false"
