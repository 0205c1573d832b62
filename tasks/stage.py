"""Makes a stage of a function: a retryable Prefect task that writes its intent before it acts and its result after.

A stage that changes nothing outside is a plain function from records to a record. A stage that does is a generator with one `yield`:
what stands before it only looks, what stands after it acts.

    @stage()
    def roll_out(promotion: Promotion, lease: Lease, definition: TaskDefinition) -> Acting[Rollout]:
        intent = yield Rollout(before=…, after=…)   # in the ledger before anything moves, the lease passed
        …                                          # act, idempotently, by the intent on record
        return replace(intent, deployment=…)        # in the ledger

The `yield` gives back the intent *on record*: the first one written stands, so a second try never takes a half-changed world for the
state before. A stage that has its result in the ledger returns it at once: resuming is running the flow again.
"""

import logging
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from functools import singledispatch, wraps
from inspect import isgeneratorfunction, signature
from typing import Any, Concatenate, Literal, ParamSpec, TypeVar, get_args, overload

from prefect import Task, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from psycopg import Connection
from psycopg.rows import DictRow

from promoter.discretion import discreet
from promoter.errors import PromoterError
from promoter.ledger import leases, promotions, steps
from promoter.ledger.connection import connect
from promoter.ledger.leases import Lease
from promoter.ledger.promotions import Promotion
from promoter.settings import Settings
from tasks import teller

P = ParamSpec("P")
R = TypeVar("R")
Acting = Generator[R, R, R]
"""A stage that acts: yields its intent, gets the intent on record, returns its result."""

logger = logging.getLogger(__name__)

Plain = Callable[Concatenate[Promotion, P], R]
Undone = Literal["undone", "kept", "nothing"]
"""How a record was taken back: fully, left as it is for a person to decide, or there was nothing to take back."""


class Decorator:
    """What `stage(…)` returns; typed so that both kinds of stage give a task that returns the record."""

    def __init__(self, *, retries: int, delays: Sequence[float], commits: bool) -> None:
        self.retries = retries
        self.delays = list(delays)
        self.commits = commits

    @overload
    def __call__(
        self, function: Callable[Concatenate[Promotion, P], Generator[R, R, R]]
    ) -> Task[Concatenate[Promotion, P], R]: ...
    @overload
    def __call__(self, function: Plain[P, R]) -> Task[Concatenate[Promotion, P], R]: ...
    def __call__(self, function: Callable[..., Any]) -> Task[Any, Any]:
        """Turn `function` into a Prefect task of the same name."""

        @wraps(function)
        def run(promotion: Promotion, *records: object) -> object:
            return carry_out(function, promotion, records, commits=self.commits)

        return task(
            retries=self.retries,
            retry_delay_seconds=self.delays,
            retry_condition_fn=is_transient,
            cache_policy=NO_CACHE,
            persist_result=False,
        )(run)


def stage(*, retries: int = 3, delays: Sequence[float] = (1, 5, 15), commits: bool = False) -> Decorator:
    """Make a stage; `retries` and `delays` (seconds) hold for transient errors only.

    `commits` marks the one stage whose result is the commit point: result and VERIFIED are one transaction.
    """
    return Decorator(retries=retries, delays=delays, commits=commits)


def is_transient(_task: object, _run: TaskRun, state: State[Any]) -> bool:
    """Tell Prefect whether the same call may well succeed later."""
    error = state.result(raise_on_failure=False)
    return isinstance(error, PromoterError) and error.transient


def carry_out(
    function: Callable[..., Any], promotion: Promotion, records: Sequence[object], *, commits: bool = False
) -> object:
    """Return the recorded result of a stage, or perform it and record it."""
    name, settings = function.__name__, Settings()
    with connect(settings) as ledger:
        known = steps.find(ledger, promotion.id, name)
        if known is not None and known.result is not None:
            return known.result
        steps.begin(ledger, promotion.id, name, _record_type(function))
    teller.poke(promotion)
    try:
        with leases.alive(promotion.id, promotion.driver or "", settings):
            result = _perform(function, promotion, records, settings)
    except Exception as error:  # a signal or a timeout is no error of the stage: whoever ends the promotion tells it
        said = str(error)
        with connect() as ledger:
            steps.fail(ledger, promotion.id, name, said or type(error).__name__)
        teller.poke(promotion)
        if discreet(said) != said:  # somebody else's error, whose text Prefect would keep with the state
            raise PromoterError(f"{type(error).__name__}: {said}") from None
        raise
    with connect(settings) as ledger:
        _pass(ledger, records, settings)
        steps.finish(ledger, promotion.id, name, result)
        if commits:
            promotions.verify(ledger, promotion.id)
    teller.poke(promotion)
    return result


def recorded(promotion: Promotion, stage: str) -> Any:  # noqa: ANN401 - the record that the stage returned
    """Return what a stage of this promotion gave back earlier, None if it has no result."""
    with connect() as ledger:
        step = steps.find(ledger, promotion.id, stage)
    return None if step is None else step.result


@singledispatch
def undo(record: object, promotion: Promotion, lease: Lease) -> Undone:
    """Take back what `record` says was done or intended; each stage registers its own inverse below itself.

    Raises TypeError for a change without an inverse: never is one taken for undone because a module was not imported.
    """
    if hasattr(record, "before"):
        raise TypeError(f"nobody knows the inverse of a {type(record).__name__}")
    logger.debug("%s of %s/%s leaves nothing to take back", type(record).__name__, promotion.id, lease.environment)
    return "nothing"


def _perform(
    function: Callable[..., Any], promotion: Promotion, records: Sequence[object], settings: Settings
) -> object:
    if not isgeneratorfunction(function):
        return function(promotion, *records)
    # What it holds is free at once, also where the ledger refuses its intent.
    with closing(function(promotion, *records)) as acting:
        looked = next(acting)
        with connect(settings) as ledger:
            _pass(ledger, records, settings)
            intent = steps.intend(ledger, promotion.id, function.__name__, looked)
        return _act(acting, intent)


def _pass(ledger: Connection[DictRow], records: Sequence[object], settings: Settings) -> None:
    """Pass the lease among `records`: whoever was taken over writes nothing any more."""
    for lease in records:
        if isinstance(lease, Lease):
            leases.renew(ledger, lease, settings.lease_seconds)


def _act(acting: Generator[Any, Any, Any], intent: object) -> object:
    try:
        acting.send(intent)
    except StopIteration as end:
        return end.value
    acting.close()
    msg = "a stage yields its intent and nothing else"
    raise TypeError(msg)


def _record_type(function: Callable[..., Any]) -> str:
    returned = signature(function, eval_str=True).return_annotation
    kind = get_args(returned)[-1] if isgeneratorfunction(function) else returned
    return str(kind.__name__)
