"""Brings interrupted promotions to their end; idempotent, and harmless when two do it at once."""

import logging
import os
import socket
import time
from contextlib import suppress
from importlib import import_module
from uuid import UUID

from prefect import flow

from promoter.config import SENTENCES
from promoter.errors import LeaseError, LedgerError, PromoterError
from promoter.github.credentials import is_known
from promoter.ledger import changes, leases, promotions, steps
from promoter.ledger.connection import connect
from promoter.ledger.leases import Lease
from promoter.ledger.promotions import Outcome, Promotion
from promoter.ledger.steps import Step
from promoter.recovery import Action, decide, way_back, why_kept
from promoter.settings import Settings
from tasks import migration, rollout, teller  # noqa: F401 - the first two register the inverses of their stages
from tasks.report import UNTOLD, tell, untold
from tasks.stage import Undone, undo
from tasks.telling import Subject

logger = logging.getLogger(__name__)

TRIES = 5
"""How often one undo is tried against transient errors before the next `recover` takes it up again."""
TOLD_AGAIN = 900.0
"""For how long after its end a promotion is told to Prefect again if that does not say so, in seconds."""
SHOWN_AGAIN = 24 * 3600.0
"""For how long after its end GitHub is told of a promotion, in seconds."""
LAST_WORDS = 30.0
"""Seconds that telling GitHub may take at the end of a run of the `recover` deployment."""


@flow
def recover() -> list[UUID]:
    """Bring every promotion that nobody drives any more to its end; return those that ended."""
    recovered = recover_all()
    teller.drain(LAST_WORDS)
    return [promotion.id for promotion in recovered if promotion.ended_at is not None]


def recover_all() -> list[Promotion]:
    """Bring every promotion that nobody drives any more to its end, and return them as they are then.

    What is in the way of one is logged and keeps no other waiting: the next time takes it up again. The ledger and the outside
    world are enough for the way back; a Prefect server that cannot be told how it ended is told later.
    """
    with connect() as ledger:
        found = promotions.abandoned(ledger)
    recovered = [_recover(promotion) for promotion in found]
    _tell_again()
    _show_again()
    return recovered


def bring_to_an_end(promotion_id: UUID, *, driver: str, cause: str, forward: bool = True) -> Promotion:
    """Do what `decide` says and return the promotion as it is then.

    `driver` names who does it; a living other driver is left alone. `cause` is used where no step says what went wrong.
    `forward=False` leaves the way forward to the `recover` deployment: a hook must not run its own flow again.
    """
    settings = Settings()
    try:
        with leases.alive(promotion_id, driver, settings):
            action = _act(promotion_id, driver, cause)
        if action is Action.FORWARD and forward:
            _go_forward(promotion_id, driver)
    except LeaseError as error:
        logger.info("%s", error)
    finally:
        _leave(promotion_id, driver)
    with connect(settings) as ledger:
        return promotions.get(ledger, promotion_id)


def _recover(promotion: Promotion) -> Promotion:
    driver = f"recover on {socket.gethostname()}, process {os.getpid()}"
    try:
        ended = bring_to_an_end(promotion.id, driver=driver, cause="its driver vanished")
    except Exception as error:  # noqa: BLE001 - whatever it is, the others are not to wait for it
        logger.warning("promotion %s is not yet at its end: %s: %s", promotion.id, type(error).__name__, error)
        return promotion
    if ended.ended_at is not None and promotion.flow_run is not None:
        _tell(ended, promotion.flow_run)
    return ended


def _tell(promotion: Promotion, flow_run: UUID) -> None:
    """Tell Prefect how a promotion ended; the way back needs no Prefect, so it is not held up where that is down."""
    try:
        tell(promotion, flow_run)
    except UNTOLD as error:
        logger.warning(
            "promotion %s is %s, but Prefect is not told so yet: %s", promotion.id, promotion.outcome, repr(error)
        )


def _tell_again() -> None:
    """Tell Prefect what it does not know: it was down, or the process died after the end and before it could say so.

    Somebody who lives is given the time of a lease to say it first.
    """
    settings = Settings()
    with connect(settings) as ledger:
        ended = promotions.ended(ledger, longest=TOLD_AGAIN, shortest=settings.lease_seconds)
    with suppress(*UNTOLD):
        for flow_run, promotion in untold(ended).items():
            with suppress(*UNTOLD):
                tell(promotion, flow_run)


def _show_again() -> None:
    """Let GitHub be told what it does not show; it was down, or whoever promoted died before. Nobody waits for it here.

    The checks of pull requests are told first, for people wait for them; promotions in their order, as GitHub lists them.
    """
    if not is_known(Settings()):
        return
    with connect() as ledger:
        ended = [Subject("promotion", one.id) for one in promotions.unshown(ledger, longest=SHOWN_AGAIN)]
        checked = [Subject("check", one.id) for one in changes.unshown(ledger, longest=SHOWN_AGAIN)]
    teller.poke_all(checked + ended)


def _leave(promotion_id: UUID, driver: str) -> None:
    """Let another driver take over at once; a ledger that does not answer learns it by the silence."""
    with suppress(LedgerError), connect() as ledger:
        promotions.leave(ledger, promotion_id, driver)


def _act(promotion_id: UUID, driver: str, cause: str) -> Action:
    settings = Settings()
    with connect(settings) as ledger:
        # The row is ours from here to the commit: nobody begins to change anything between the decision and the end.
        promotions.drive(ledger, promotion_id, driver, settings.lease_seconds)
        promotion, recorded = promotions.get(ledger, promotion_id), steps.of(ledger, promotion_id)
        action = decide(promotion, recorded)
        why = next((step.error for step in recorded if step.error), cause)
        if action is Action.REJECT:
            promotions.end(ledger, promotion_id, "rejected", why)
    logger.info("promotion %s: %s (%s)", promotion_id, action, why)
    if action is Action.BACK:
        _go_back(promotion, recorded, driver, why)
    return action


def _go_back(promotion: Promotion, recorded: list[Step], driver: str, cause: str) -> None:
    settings = Settings()
    with connect(settings) as ledger:
        lease = leases.take(ledger, promotion, driver=driver, seconds=settings.lease_seconds)
    try:
        ways = {_undo(promotion, lease, step) for step in way_back(recorded)} | {step.undone for step in recorded}
    except PromoterError as error:
        if error.transient:
            raise
        _end(lease, "frozen", f"{cause}\nand the way back failed: {error}")
        return
    if "kept" in ways:
        _end(lease, "schema_kept", f"{cause}\n{why_kept(recorded, promotion.environment.database_rollback)}")
    else:
        _end(lease, "rolled_back", cause)


def _undo(promotion: Promotion, lease: Lease, step: Step) -> Undone:
    for attempt in range(TRIES):
        try:
            how = undo(step.result or step.intent, promotion, lease)
            break
        except PromoterError as error:
            if not error.transient or attempt == TRIES - 1:
                raise
            logger.warning("undo of %s: %s; trying again", step.stage, error)
            time.sleep(2**attempt)
    settings = Settings()
    with connect(settings) as ledger:
        leases.renew(ledger, lease, settings.lease_seconds)
        steps.undo(ledger, promotion.id, step.stage, how)
    return how


def _go_forward(promotion_id: UUID, driver: str) -> None:
    _leave(promotion_id, driver)
    with connect() as ledger:
        promotion, plan = promotions.get(ledger, promotion_id), steps.find(ledger, promotion_id, "plan_rollback")
    if plan is not None:
        to = plan.result.version.tag  # other rollbacks may wait behind this one
        import_module("flows.rollback").rollback(promotion.service.name, promotion.environment_name, to)
        return
    sentence = getattr(import_module("flows.promote"), SENTENCES[promotion.rule.stages])
    sentence(promotion.service.name, promotion.push.branch, promotion.push.commit)


def _end(lease: Lease, outcome: Outcome, cause: str) -> None:
    """End a way back; who was taken over neither ends the promotion of another driver nor freezes its environment."""
    settings = Settings()
    with connect(settings) as ledger:
        leases.renew(ledger, lease, settings.lease_seconds)
        if outcome == "frozen":
            leases.freeze(ledger, lease.service, lease.environment, reason=cause, by="recover")
        promotions.end(ledger, lease.promotion, outcome, cause)
