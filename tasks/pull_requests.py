"""Starts the checks of pull requests that were noted and never started: the event was lost, or Prefect was down.

A pull request that no webhook brought is not found here: nobody but GitHub knows of it.
"""

import logging
from uuid import UUID

from prefect import task
from prefect.cache_policies import NO_CACHE

from promoter.config import Service
from promoter.ledger import changes
from promoter.ledger.changes import Asked
from promoter.ledger.connection import connect
from tasks.starting import start_once

logger = logging.getLogger(__name__)

FLOW = "check-change"
"""The flow, and its deployment."""


@task(cache_policy=NO_CACHE, task_run_name="start-checks-{service.name}")
def start_checks(service: Service) -> list[UUID]:
    """Start the check of each pull request whose newest head was noted and not checked; return the flow runs."""
    with connect() as ledger:
        waiting = changes.unstarted(ledger, service.name)
    return [run for asked in waiting if (run := _start(asked)) is not None]


def parameters(asked: Asked) -> dict[str, str]:
    """Return the parameters of the flow run of a check: the automation of its event gives the same."""
    return {
        "service": asked.service,
        "branch": f"refs/pull/{asked.number}/head",
        "commit": asked.commit,
        "target": asked.target,
    }


def _start(asked: Asked) -> UUID | None:
    """Start one check; None where it has begun, or another starts it just now."""
    run = start_once(changes, asked.id, "check", FLOW, parameters(asked))
    if run is not None:
        logger.info("%s: the check of pull request %s is started", asked.service, asked.number)
    return run
