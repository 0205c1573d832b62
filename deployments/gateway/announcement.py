"""Tells Prefect of a push or a pull request: one event, whose automation starts the flow. It holds names and numbers only, no free text."""

from datetime import datetime
from typing import Any

import httpx

from deployments import prefect_api
from promoter.errors import ConfigurationError
from promoter.ledger.arrivals import Arrival
from promoter.ledger.changes import Asked

EVENT = "promoter.push"
CHECK_EVENT = "promoter.pull-request"
PATIENCE = 30.0
"""Seconds that Prefect may take; what it did not take, the poller starts."""


def event(arrival: Arrival, sentence: str, now: datetime) -> dict[str, Any]:
    """Return the event of a push as Prefect's API takes it; the same push has the same event, whoever tells of it."""
    return {
        "id": str(arrival.id),
        "occurred": now.isoformat(),
        "event": EVENT,
        "resource": {
            "prefect.resource.id": f"{EVENT}.{arrival.id}",
            "promoter.service": arrival.service,
            "promoter.branch": arrival.branch,
            "promoter.commit": arrival.commit,
        },
        "related": [
            {
                "prefect.resource.role": "branch",
                "prefect.resource.id": f"promoter.branch.{arrival.service}.{arrival.branch}",
                "prefect.resource.name": arrival.branch,
                "promoter.flow": sentence.replace("_", "-"),
            }
        ],
        "payload": {},
    }


def check_event(asked: Asked, now: datetime) -> dict[str, Any]:
    """Return the event of a pull request, as `event` does of a push."""
    return {
        "id": str(asked.id),
        "occurred": now.isoformat(),
        "event": CHECK_EVENT,
        "resource": {
            "prefect.resource.id": f"{CHECK_EVENT}.{asked.id}",
            "promoter.service": asked.service,
            "promoter.branch": f"refs/pull/{asked.number}/head",
            "promoter.commit": asked.commit,
            "promoter.target": asked.target,
        },
        "related": [],
        "payload": {},
    }


def announce(client: httpx.Client, told: dict[str, Any]) -> str | None:
    """Tell Prefect of an event; return what was in the way, None where Prefect took it."""
    try:
        where, auth = f"{prefect_api.url()}/events", prefect_api.authentication()
        client.post(where, json=[told], timeout=PATIENCE, auth=auth).raise_for_status()
    except ConfigurationError as error:
        return error.message
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return f"{type(error).__name__}: {error}"
    return None
