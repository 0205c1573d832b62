"""Tells Prefect of a push: one event, whose automation starts the flow. It holds names and numbers only, no free text."""

import os
from datetime import UTC, datetime
from typing import Any

import httpx

from deployments import prefect_api
from promoter.ledger.arrivals import Arrival

EVENT = "promoter.push"
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


def announce(client: httpx.Client, arrival: Arrival, sentence: str) -> str | None:
    """Tell Prefect of the push; return what was in the way, None where Prefect took it."""
    api = os.environ.get("PREFECT_API_URL")
    if not api:
        return "PREFECT_API_URL is not set"
    told = [event(arrival, sentence, datetime.now(UTC))]
    try:
        answer = client.post(
            f"{api.rstrip('/')}/events", json=told, timeout=PATIENCE, auth=prefect_api.authentication()
        )
        answer.raise_for_status()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return f"{type(error).__name__}: {error}"
    return None
