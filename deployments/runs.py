"""Starts runs of deployments through the Prefect API, without importing Prefect: a command line has to start in a blink."""

import time
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import httpx

from deployments import prefect_api
from promoter.config import SENTENCES, Service
from promoter.errors import PromoterError

DEPLOYMENTS = {sentence: sentence.replace("_", "-") for sentence in SENTENCES.values()}
"""The deployment of each branch flow, as prefect.yaml names it."""

ENDED = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}
"""The types of state after which a run does nothing more."""
GLANCE = 0.5
"""Seconds between two looks at a run."""


def promote(
    service: Service, branch: str, commit: str | None = None, *, by: str | None = None, force: bool = False
) -> UUID:
    """Start the promotion of `commit` (None: the head of `branch`), as `by` asked, and return the id of its flow run.

    `force` promotes also a commit that is held, or older than what runs.
    Raises UnknownBranchError for a branch that is not promoted, PromoterError if the Prefect server does not take the run.
    """
    sentence = SENTENCES[service.rule(branch).stages]
    parameters = {"service": service.name, "branch": branch, "commit": commit, "by": by, "force": force}
    return start(sentence.replace("_", "-"), DEPLOYMENTS[sentence], parameters)


def roll_back(
    service: Service, environment: str, to: str | None, *, with_downgrade: bool, by: str | None = None
) -> UUID:
    """Start the rollback of an environment to version `to` (None: the one before), as `by` asked, and return the id of its flow run."""
    parameters = {
        "service": service.name,
        "environment": environment,
        "to": to,
        "with_downgrade": with_downgrade,
        "by": by,
    }
    return start("rollback", "rollback", parameters)


def check(service: Service, branch: str, commit: str | None, target: str) -> UUID:
    """Start the check of `commit` (None: the head of `branch`) for its merge into `target`; return its flow run.

    Raises UnknownBranchError for a target that is not promoted, PromoterError as `promote` does.
    """
    service.rule(target)
    parameters = {"service": service.name, "branch": branch, "commit": commit, "target": target}
    return start("check-change", "check-change", parameters)


def start(flow: str, deployment: str, parameters: Mapping[str, Any]) -> UUID:
    """Start a run of `flow`/`deployment` and return its id."""
    with prefect_api.client() as client:
        try:
            found = client.get(f"/deployments/name/{flow}/{deployment}").raise_for_status().json()
            answer = client.post(f"/deployments/{found['id']}/create_flow_run", json={"parameters": dict(parameters)})
            return UUID(answer.raise_for_status().json()["id"])
        except httpx.HTTPStatusError as error:
            raise PromoterError(
                f"the Prefect server refused {flow}/{deployment}: {error.response.status_code} {error.response.text[:300]}",
                hint="`prefect deploy --all` brings its deployments in line with prefect.yaml.",
            ) from error
        except httpx.TransportError as error:
            raise PromoterError(
                f"the Prefect server at {prefect_api.url()} does not answer: {error}", transient=True
            ) from error


def state(run: UUID) -> dict[str, Any]:
    """Return the state of a flow run: `type`, `name`, `message`."""
    with prefect_api.client() as client:
        answer: dict[str, Any] = client.get(f"/flow_runs/{run}").raise_for_status().json()["state"]
        return answer


def wait(run: UUID) -> dict[str, Any]:
    """Return the final state of a flow run, when it has one."""
    while (now := state(run))["type"] not in ENDED:
        time.sleep(GLANCE)
    return now


def report(run: UUID) -> str:
    """Return the report of a flow run in markdown, "" where it wrote none."""
    wanted = {"flow_run_id": {"any_": [str(run)]}, "type": {"any_": ["markdown"]}}
    with prefect_api.client() as client:
        found = client.post("/artifacts/filter", json={"artifacts": wanted}).raise_for_status().json()
    return str(found[0]["data"]) if found else ""
