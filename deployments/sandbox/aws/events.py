"""Puts what happens to deployments on the sandbox's event bus."""

import json
from typing import Literal

from moto.events.models import events_backends

from deployments.sandbox.aws.state import Deployment, Service, now

EventName = Literal["SERVICE_DEPLOYMENT_IN_PROGRESS", "SERVICE_DEPLOYMENT_COMPLETED", "SERVICE_DEPLOYMENT_FAILED"]


def deployment_changed(service: Service, deployment: Deployment, name: EventName, reason: str) -> None:
    """Send "ECS Deployment State Change".

    Source: ECS developer guide, "Amazon ECS service deployment state change events".
    """
    _, _, _, region, account, _ = service.arn.split(":", 5)
    detail = {
        "eventType": "ERROR" if name == "SERVICE_DEPLOYMENT_FAILED" else "INFO",
        "eventName": name,
        "deploymentId": deployment.id,
        "updatedAt": now().isoformat().replace("+00:00", "Z"),
        "reason": reason,
    }
    event = {
        "Source": "aws.ecs",
        "DetailType": "ECS Deployment State Change",
        "Resources": [service.arn],
        "Detail": json.dumps(detail),
    }
    events_backends[account][region].put_events([event])
