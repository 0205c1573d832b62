"""Ends a promotion and tells its story in Prefect: a name for the run and for its final state, a markdown artifact and a table."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import TypeVar
from uuid import UUID

import httpx
from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import ArtifactCreate
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import State, StateType
from prefect.exceptions import PrefectException

from promoter import summary
from promoter.discretion import discreet
from promoter.ledger import promotions, steps
from promoter.ledger.connection import connect
from promoter.ledger.promotions import Promotion
from promoter.ledger.steps import Step
from tasks import teller

R = TypeVar("R")

STATE_NAMES = {
    "released": "Released",
    "rolled_back": "RolledBack",
    "schema_kept": "SchemaKept",
    "frozen": "Frozen",
    "superseded": "Superseded",
    "rejected": "Rejected",
}
"""The name of the flow run's final state, by the promotion's outcome."""
PAGE = 200
"""How many flow runs a Prefect server tells of at a time: PREFECT_API_DEFAULT_LIMIT."""
UNTOLD = (httpx.HTTPError, PrefectException)
"""What is raised where Prefect cannot be told something: it does not answer, or does not know the flow run."""


@task(cache_policy=NO_CACHE)
def close(promotion: Promotion, record: R) -> R:
    """End the promotion as released, report it, and return its last record; a second time changes nothing."""
    with connect() as ledger:
        promotions.end(ledger, promotion.id, "released")
    teller.poke(promotion)
    publish_report(promotion.id)
    teller.drain()
    return record


@task(cache_policy=NO_CACHE)
def name_run(promotion: Promotion) -> None:
    """Let the flow run be called what it does: `v1.0.3-test → staging`."""
    with connect() as ledger:
        title = summary.headline(promotion, steps.of(ledger, promotion.id))
    rename(promotion.flow_run, title)


def rename(flow_run: UUID | None, title: str) -> None:
    """Let a flow run be called `title`; None is nobody's run."""
    if flow_run is not None:
        with get_client(sync_client=True) as client:
            client.update_flow_run(flow_run, name=title)


def publish_report(promotion_id: UUID) -> None:
    """Write both artifacts of a promotion as it is now, attached to its flow run."""
    with connect() as ledger:
        promotion, recorded = promotions.get(ledger, promotion_id), steps.of(ledger, promotion_id)
    key = f"{promotion.service.name}-{promotion.rule.environment or promotion.push.branch}"
    title, story = summary.headline(promotion, recorded), summary.markdown(promotion, recorded)
    publish(key, promotion.flow_run, title, story, recorded)


def publish(key: str, flow_run: UUID | None, title: str, text: str, recorded: Sequence[Step]) -> None:
    """Write a story in markdown and the table of its stages, each a version of the artifact of that key."""
    story = ArtifactCreate(
        key=_key(key), type="markdown", description=discreet(title), data=discreet(text), flow_run_id=flow_run
    )
    stages = ArtifactCreate(
        key=_key(key + "-stages"),
        type="table",
        description=discreet(f"Stages of {title}"),
        data=discreet(json.dumps(summary.table(recorded))),
        flow_run_id=flow_run,
    )
    with get_client(sync_client=True) as client:
        client.create_artifact(story)
        client.create_artifact(stages)


def untold(ended: Sequence[Promotion]) -> dict[UUID, Promotion]:
    """Return the ended promotions whose flow run does not say so, by that run: one question for all of them.

    Raises one of UNTOLD where Prefect does not answer.
    """
    driven = {one.flow_run: one for one in ended if one.flow_run is not None}
    if not driven:
        return {}
    with get_client(sync_client=True) as client:
        runs = [run for asked in _pages(list(driven)) for run in client.read_flow_runs(flow_run_filter=asked)]
    return {run.id: driven[run.id] for run in runs if not _says(run.state, driven[run.id])}


def tell(promotion: Promotion, flow_run: UUID) -> None:
    """Publish the report of an ended promotion, and let its flow run end as it did, also where its process is long dead.

    Raises one of UNTOLD if the server does not take it; the ledger knows how the promotion ended, so nothing is lost.
    """
    with get_client(sync_client=True) as client:
        now = client.read_flow_run(flow_run).state
        if _says(now, promotion):
            return
        publish_report(promotion.id)
        client.set_flow_run_state(flow_run, final_state(promotion, now), force=True)


def final_state(promotion: Promotion, now: State | None) -> State:
    """Return the state in which a flow run of an ended promotion ends, given the one it is in; nobody drives it any more."""
    outcome = promotion.outcome or ""
    before = StateType.CRASHED if now is None else now.type
    kind = StateType.CANCELLED if before is StateType.CANCELLING else before
    if outcome == "released":
        kind = StateType.COMPLETED
    elif kind not in {StateType.FAILED, StateType.CANCELLED}:
        kind = StateType.CRASHED
    return State(type=kind, name=STATE_NAMES[outcome], message=promotion.cause)


def _says(state: State | None, promotion: Promotion) -> bool:
    """Say whether a flow run's state tells how its promotion ended."""
    return state is not None and state.is_final() and state.name in {"Completed", STATE_NAMES[promotion.outcome or ""]}


def _pages(runs: Sequence[UUID]) -> Iterator[FlowRunFilter]:
    """Return what to ask for, as much at a time as the server answers."""
    for first in range(0, len(runs), PAGE):
        yield FlowRunFilter(id=FlowRunFilterId(any_=list(runs[first : first + PAGE])))


def _key(text: str) -> str:
    """Return `text` as an artifact key: lower-case letters, digits and dashes, https://docs.prefect.io/v3/concepts/artifacts."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
