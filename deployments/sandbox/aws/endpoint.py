"""ECS's JSON protocol: takes a request from moto's server, lets its operation answer, and writes the answer or the error."""

import json
import logging
from datetime import datetime
from functools import cache
from typing import Any, ClassVar, cast

import botocore.session
from botocore.exceptions import ParamValidationError
from botocore.model import ServiceModel, Shape
from botocore.validate import validate_parameters
from moto.core.responses import BaseResponse
from werkzeug.exceptions import HTTPException

from deployments.sandbox.aws import authorization
from deployments.sandbox.aws.operations import OPERATIONS
from deployments.sandbox.aws.refusals import ApiError, invalid, unsupported
from deployments.sandbox.aws.regions import Regions
from deployments.sandbox.aws.state import Document

CONTENT_TYPE = "application/x-amz-json-1.1"
Answer = tuple[int, dict[str, str], str]
logger = logging.getLogger(__name__)


class EcsEndpoint(BaseResponse):
    """Stands in moto's server where moto's own ECS would be; one object per request."""

    regions: ClassVar[Regions]

    def __init__(self) -> None:
        super().__init__(service_name="ecs")

    def call_action(self) -> Answer:
        """Answer one request; whatever happens, the answer is JSON."""
        try:
            return _json(200, self._answer(self._get_action()), self.response_headers)
        except ApiError as error:
            return _json(400, {"__type": error.code, "message": error.message}, self.response_headers)
        except Exception as error:
            logger.exception("%s failed", self._get_action())
            return _json(500, {"__type": "ServerException", "message": repr(error)}, self.response_headers)

    def _answer(self, action: str) -> str:
        if action not in service_model().operation_names:
            raise unsupported(f"The operation {action}")
        request = _request(action, self.body)
        self._authorize(request)
        operation = OPERATIONS.get(action)
        if operation is None:
            raise unsupported(f"The operation {action}")
        region = self.regions.get(self.current_account, self.region)
        with region.lock:
            answer = _dump(operation(region, request))
        self.regions.wake()
        return answer

    def _authorize(self, request: Document) -> None:
        resource = authorization.ecs_resource(self._get_action(), request, self.region, self.current_account)
        try:
            self._authenticate_and_authorize_normal_action(resource)
        except HTTPException as error:
            raise authorization.refusal(error) from error


def _request(action: str, body: str) -> Document:
    """Return the request, which fits the API's model, or raise ApiError."""
    try:
        document = json.loads(body or "{}")
        validate_parameters(document, cast("Shape", service_model().operation_model(action).input_shape))
    except ParamValidationError as error:
        raise invalid(str(error)) from error
    except ValueError as error:
        raise ApiError("SerializationException", "The request is no JSON.") from error
    return cast("Document", document)


@cache
def service_model() -> ServiceModel:
    """Return botocore's model of ECS."""
    return botocore.session.get_session().get_service_model("ecs")


def _json(status: int, body: str | Document, headers: dict[str, str]) -> Answer:
    text = body if isinstance(body, str) else _dump(body)
    return status, {**headers, "Content-Type": CONTENT_TYPE, "status": str(status)}, text


def _dump(document: Document) -> str:
    return json.dumps(document, default=_timestamp)


def _timestamp(value: Any) -> float:  # noqa: ANN401 - json hands over whatever it cannot write
    return cast("datetime", value).timestamp()
