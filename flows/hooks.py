"""The state hooks: the fast path of the way back, in the process that failed or in the worker's.

They are not the guarantee: a hook that raises is only logged, and a killed worker runs none. Prefect's worker calls hooks by
keyword, so their arguments are named exactly `flow`, `flow_run`, `state`.
"""

import logging
from typing import Any

from prefect import Flow
from prefect import flow as prefect_flow
from prefect.client.schemas.objects import FlowRun, State

from flows.recover import bring_to_an_end
from promoter.errors import PromoterError
from promoter.ledger import promotions
from promoter.ledger.connection import connect
from tasks import teller
from tasks.change import give_up
from tasks.report import tell

logger = logging.getLogger(__name__)


def on_failure(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Bring the promotion of a failed run to its end."""
    _recover(flow, flow_run, state)


def on_crashed(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Bring the promotion of a crashed run to its end."""
    _recover(flow, flow_run, state)


def on_cancellation(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Bring the promotion of a cancelled run to its end."""
    _recover(flow, flow_run, state)


def on_unfinished_check(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Let GitHub show that the check of a pull request came to no end; one that found something says that itself."""
    logger.info("%s %s ended as %s", flow.name, flow_run.name, state.name)
    give_up(flow_run.id, _cause(state))


checking = prefect_flow(
    on_failure=[on_unfinished_check], on_crashed=[on_unfinished_check], on_cancellation=[on_unfinished_check]
)
"""A flow that tells GitHub also of the check that fails before it found anything, crashes or is cancelled."""


def _recover(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    with connect() as ledger:
        promotion = promotions.of_flow_run(ledger, flow_run.id)
    if promotion is None:
        logger.info("%s %s ended as %s before it had a promotion", flow.name, flow_run.name, state.name)
        return
    ended = bring_to_an_end(promotion.id, driver=str(flow_run.id), cause=_cause(state), forward=False)
    teller.poke(ended)
    try:
        if ended.outcome is not None:
            tell(ended, flow_run.id)
    finally:
        teller.drain()


def _cause(state: State[Any]) -> str:
    """Return the error of a failed run in its own words, without Prefect's around them."""
    error = getattr(state.data, "result", state.data)
    return str(error) if isinstance(error, PromoterError) else state.message or str(state.name)
