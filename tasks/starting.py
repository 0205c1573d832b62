"""Starts the flow run of something that the ledger noted, once: each try belongs to one of those who want it."""

from collections.abc import Mapping
from typing import cast
from uuid import UUID

from prefect import get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.deployments import run_deployment

from promoter.ledger.connection import connect
from promoter.ledger.tries import Tries

UNDER_WAY = [StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING, StateType.PAUSED, StateType.CANCELLING]
"""The states of a flow run that may still take it up."""


def start_once(tries: Tries, noted: UUID, what: str, flow: str, parameters: Mapping[str, str]) -> UUID | None:
    """Start `flow`, whose deployment has its name; None where `noted` was started, or another starts it just now.

    `what` says in a word what was noted. A try of which nothing came is given back.
    """
    with connect() as ledger:
        number = tries.take(ledger, noted)
    if number is None:
        return None
    try:
        if _is_under_way(flow, parameters):
            return None
        started = run_deployment(
            f"{flow}/{flow}",
            parameters=dict(parameters),
            timeout=0,
            as_subflow=False,
            idempotency_key=f"{what} {noted}, try {number}",
        )
    except Exception:
        with connect() as ledger:
            tries.give_back(ledger, noted)
        raise
    return cast("FlowRun", started).id  # a coroutine only where a coroutine calls


def _is_under_way(deployment: str, wanted: Mapping[str, str]) -> bool:
    """Say whether Prefect has a flow run with these parameters that has not ended: its worker may be late."""
    with get_client(sync_client=True) as client:
        runs = client.read_flow_runs(
            deployment_filter=DeploymentFilter(name=DeploymentFilterName(any_=[deployment])),
            flow_run_filter=FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=UNDER_WAY))),
        )
    return any(wanted.items() <= run.parameters.items() for run in runs)
