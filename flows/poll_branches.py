"""Picks up what no webhook brought, and what was noted and never started."""

from uuid import UUID

from prefect import flow

from promoter import config
from promoter.settings import Settings
from tasks.branches import start_pushes
from tasks.pull_requests import start_checks


@flow
def poll_branches() -> list[UUID]:
    """Compare the heads of the branches with the ledger, and start what was noted; return the flow runs that were started.

    A remote that does not answer keeps no other waiting; the run fails after all were asked.
    """
    services = [service for service in config.load_all(Settings().services) if service.github is not None]
    states = [start(service, return_state=True) for service in services for start in (start_pushes, start_checks)]
    return [run for state in states for run in state.result()]
