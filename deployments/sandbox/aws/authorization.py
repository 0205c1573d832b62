"""Says which resource a request is about, so that moto's IAM can hold a policy of ours against it.

Out of the box moto evaluates ECS and Secrets Manager as the resource `*`, so that every policy that names ARNs denies.
Conditions are not evaluated there; sessions of roles are `enforcement`'s. For users enforcement begins with `POST /moto-api/reset-auth` and the body `0`.
"""

import json
import re
from typing import Any

from moto.core.exceptions import JsonRESTError
from moto.secretsmanager.responses import SecretsManagerResponse
from werkzeug.exceptions import HTTPException

from deployments.sandbox.aws.enforcement import secret_arn
from deployments.sandbox.aws.permissions import Place, needed
from deployments.sandbox.aws.refusals import ApiError
from deployments.sandbox.aws.state import Document

MESSAGE = re.compile(r"<Message>(.*?)</Message>", re.DOTALL)


def ecs_resource(action: str, request: Document, region: str, account: str) -> str:
    """Return the ARN that ECS's part of the service authorization reference names for `action`, or `*`."""
    first = next(iter(needed("ecs", action, request, Place(account, region))), None)
    return first.resource if first else "*"


def refusal(error: HTTPException) -> ApiError:
    """Return a refusal, which is XML where moto made it, as an error of a JSON API."""
    if isinstance(error, JsonRESTError):
        return ApiError(error.error_type, error.message)
    match = MESSAGE.search(str(error.description))
    return ApiError("AccessDeniedException", match[1] if match else "Access denied.")


class SecretsManagerEndpoint(SecretsManagerResponse):
    """moto's Secrets Manager, with resources and errors as IAM and JSON clients expect them."""

    def _determine_resource(self) -> str:
        try:
            name = str(json.loads(self.body or "{}").get("SecretId") or "*")
        except (ValueError, AttributeError):
            return "*"
        return secret_arn(name, Place(self.current_account, self.region))

    def call_action(self) -> tuple[int, dict[str, Any], str | bytes]:
        """Answer one request; a refusal is JSON, too."""
        status, headers, body = super().call_action()
        if status == 403 and "<Message>" in str(body):
            error = refusal(HTTPException(str(body)))
            body = json.dumps({"__type": error.code, "message": error.message})
            return 400, {**headers, "status": "400", "Content-Type": "application/x-amz-json-1.1"}, body
        return status, headers, body
