"""Says which resource a request is about, so that moto's IAM can hold a policy of ours against it.

Out of the box moto evaluates ECS and Secrets Manager as the resource `*`, so that every policy that names ARNs denies.
Conditions are not evaluated. Enforcement begins with `POST /moto-api/reset-auth` and the body `0`.
"""

import json
import re
from typing import Any

from moto.secretsmanager.models import secretsmanager_backends
from moto.secretsmanager.responses import SecretsManagerResponse
from werkzeug.exceptions import HTTPException

from deployments.sandbox.aws.refusals import ApiError
from deployments.sandbox.aws.state import Document

MESSAGE = re.compile(r"<Message>(.*?)</Message>", re.DOTALL)
SERVICE = {"CreateService", "UpdateService", "DeleteService", "DescribeServices", "ListServiceDeployments"}
TASK = {"StopTask", "DescribeTasks"}


def ecs_resource(action: str, request: Document, region: str, account: str) -> str:
    """Return the ARN that ECS's part of the service authorization reference names for `action`, or `*`."""
    base = f"arn:aws:ecs:{region}:{account}"
    cluster = _last(request.get("cluster") or "default")
    if action in SERVICE:
        name = request.get("serviceName") or request.get("service") or (request.get("services") or [""])[0]
        return f"{base}:service/{cluster}/{_last(name)}"
    if action in TASK:
        return f"{base}:task/{cluster}/{_last(request.get('task') or (request.get('tasks') or [''])[0])}"
    if action == "RunTask":
        return f"{base}:task-definition/{_last(request.get('taskDefinition') or '')}"
    if action == "StopServiceDeployment":
        return str(request.get("serviceDeploymentArn") or "*")
    return "*"


def refusal(error: HTTPException) -> ApiError:
    """Return moto's refusal, which is XML, as an error of a JSON API."""
    match = MESSAGE.search(str(error.description))
    return ApiError("AccessDeniedException", match[1] if match else "Access denied.")


class SecretsManagerEndpoint(SecretsManagerResponse):
    """moto's Secrets Manager, with resources and errors as IAM and JSON clients expect them."""

    def _determine_resource(self) -> str:
        try:
            name = str(json.loads(self.body or "{}").get("SecretId") or "*")
        except (ValueError, AttributeError):
            return "*"
        secret = secretsmanager_backends[self.current_account][self.region].secrets.get(name)
        return str(secret.arn) if secret else name

    def call_action(self) -> tuple[int, dict[str, Any], str | bytes]:
        """Answer one request; a refusal is JSON, too."""
        status, headers, body = super().call_action()
        if status == 403 and "<Message>" in str(body):
            error = refusal(HTTPException(str(body)))
            body = json.dumps({"__type": error.code, "message": error.message})
            return 400, {**headers, "status": "400", "Content-Type": "application/x-amz-json-1.1"}, body
        return status, headers, body


def _last(name: str) -> str:
    return name.rsplit("/", 1)[-1]
