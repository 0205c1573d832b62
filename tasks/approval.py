"""Asks a person before an environment is changed, where its configuration wants that: a form on the run's page in Prefect."""

import logging
from concurrent.futures import Future
from contextvars import copy_context
from threading import Thread
from typing import Literal

from prefect.exceptions import FlowPauseTimeout
from prefect.flow_runs import pause_flow_run
from prefect.input import RunInput
from pydantic import Field

from promoter.errors import RejectedError, SupersededError
from promoter.ledger import promotions
from promoter.ledger.connection import connect
from promoter.ledger.promotions import Promotion
from promoter.records import Approval, Image, Version
from promoter.text import printable
from tasks.stage import stage

logger = logging.getLogger(__name__)

LOOK = 2
"""Seconds between two looks at what the form says, and at the ledger."""


class Decision(RunInput):
    """What the form asks for."""

    decision: Literal["approve", "refuse"] = Field(description="Whether the environment is changed.")
    by: str = Field(description="Who decides.", min_length=1, max_length=100)
    reason: str = Field(default="", description="Why; for the history.", max_length=1000)


@stage(retries=0)
def approve(promotion: Promotion, version: Version, image: Image) -> Approval:
    """Wait until a person approves; the run is Paused meanwhile, and nobody's environment is held.

    Raises RejectedError where the person refuses or nobody answers in `approval_timeout` seconds, SupersededError where a newer commit
    goes on meanwhile, RejectedError too where somebody else ended the promotion.
    """
    place, timeout = promotion.environment_name, promotion.environment.approval_timeout
    question = f"Bring {version.tag} (commit `{version.commit[:12]}`, image `{image.digest}`) into **{place}**?"
    asked: Future[Decision] = Future()
    Thread(target=copy_context().run, args=(_ask, asked, question, timeout), daemon=True).start()
    try:
        decision = _answer(asked, promotion)
    except FlowPauseTimeout:
        raise RejectedError(
            f"nobody approved {version.tag} for {place} within {timeout:g} s",
            hint="Promote it again, and answer the form.",
        ) from None
    by, reason = printable(decision.by, 100), printable(decision.reason, 1000)
    if decision.decision == "refuse":
        raise RejectedError(f"{by} refused {version.tag} for {place}: {reason or 'no reason given'}")
    logger.info("%s approved %s for %s: %s", by, version.tag, place, reason)
    return Approval(by, reason)


def _ask(asked: "Future[Decision]", question: str, timeout: float) -> None:
    """Show the form and hand on the answer; a thread of its own, for Prefect's wait hears of nothing else."""
    try:
        form = Decision.with_initial_data(description=question)
        asked.set_result(pause_flow_run(wait_for_input=form, timeout=int(timeout), poll_interval=LOOK))
    except BaseException as error:  # noqa: BLE001 - whoever waits for the answer gets it
        asked.set_exception(error)


def _answer(asked: "Future[Decision]", promotion: Promotion) -> Decision:
    while True:
        try:
            return asked.result(timeout=LOOK)
        except TimeoutError:
            if asked.done():
                raise
        with connect() as ledger:
            now = promotions.get(ledger, promotion.id)
        if now.ended_at is not None:
            kind = SupersededError if now.outcome == "superseded" else RejectedError
            raise kind(f"{promotion.push.commit[:12]}: {now.cause or now.outcome}")
