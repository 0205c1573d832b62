"""Finds what was pushed and not started: heads that no webhook brought, and pushes whose event was lost.

Nothing is started twice: the ledger says what was taken up, and gives each try to one of those who want it.
"""

import logging
from collections.abc import Mapping
from uuid import UUID

from prefect import task
from prefect.cache_policies import NO_CACHE
from psycopg import Connection
from psycopg.rows import DictRow

from promoter import remotes
from promoter.config import SENTENCES, Service
from promoter.errors import UnknownBranchError
from promoter.ledger import arrivals
from promoter.ledger.arrivals import BEFORE, Arrival
from promoter.ledger.connection import connect
from tasks.starting import start_once

logger = logging.getLogger(__name__)

POLLER = "GitHub"
"""Who asked for what was found on the remote: nobody told us who pushed it."""


@task(cache_policy=NO_CACHE, task_run_name="start-pushes-{service.name}")
def start_pushes(service: Service) -> list[UUID]:
    """Start what was pushed and not started; return the flow runs. Raises RepositoryError and LedgerError, both transient."""
    with connect() as ledger:  # before the remote is asked: its answer is then newer than every arrival here
        waiting = arrivals.unstarted(ledger, service.name)
    heads = {
        branch: head for branch, head in remotes.heads(service.repository).items() if _is_promoted(service, branch)
    }
    with connect() as ledger:
        found = note_heads(ledger, service, heads)
        for arrival in waiting:
            _drop_if_left_behind(ledger, arrival, heads)
    wanted = {arrival.id: arrival for arrival in [*waiting, *found] if heads.get(arrival.branch) == arrival.commit}
    return [run for arrival in wanted.values() if (run := _start(service, arrival)) is not None]


def note_heads(ledger: Connection[DictRow], service: Service, heads: Mapping[str, str]) -> list[Arrival]:
    """Note the heads that nobody took up yet and return those to be started.

    On the first look of all nothing is: what runs already is not promoted once more because Promoter came.
    """
    first = not arrivals.was_looked_at(ledger, service.name)
    noted = [
        _note(ledger, service, branch, commit, first=first)
        for branch, commit in heads.items()
        if first or not arrivals.is_promoted(ledger, service.name, service.repository, branch, commit)
    ]
    return [arrival for arrival in noted if arrival.dropped != BEFORE]


def _note(ledger: Connection[DictRow], service: Service, branch: str, commit: str, *, first: bool) -> Arrival:
    arrival, is_new = arrivals.note(
        ledger,
        service=service.name,
        repository=service.repository,
        branch=branch,
        commit=commit,
        pushed_by=POLLER,
        dropped=BEFORE if first else None,
    )
    if is_new:
        logger.info("%s: %s on %s: %s", service.name, commit[:12], branch, arrival.dropped or "no webhook brought it")
    elif arrival.dropped not in {None, BEFORE}:  # the branch was pushed back to it
        arrivals.revive(ledger, arrival.id)
    return arrival


def _drop_if_left_behind(ledger: Connection[DictRow], arrival: Arrival, heads: Mapping[str, str]) -> None:
    head = heads.get(arrival.branch)
    if head != arrival.commit:
        arrivals.drop(ledger, arrival.id, f"its branch is at {head[:12]}" if head else "its branch is gone")


def _start(service: Service, arrival: Arrival) -> UUID | None:
    """Start the flow of one push; None where it was started, or another starts it just now."""
    flow = SENTENCES[service.rule(arrival.branch).stages].replace("_", "-")
    run = start_once(arrivals, arrival.id, "push", flow, parameters(arrival))
    if run is not None:
        logger.info("%s: %s on %s is started", service.name, arrival.commit[:12], arrival.branch)
    return run


def parameters(arrival: Arrival) -> dict[str, str]:
    """Return the parameters of the flow run of a push: the automation of its event gives the same."""
    return {"service": arrival.service, "branch": arrival.branch, "commit": arrival.commit}


def _is_promoted(service: Service, branch: str) -> bool:
    try:
        service.rule(branch)
    except UnknownBranchError:
        return False
    return True
