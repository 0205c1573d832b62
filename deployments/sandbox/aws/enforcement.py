"""Holds every request of an assumed role against its policies, in the place where moto would authorise it, or not.

moto evaluates neither conditions nor `iam:PassRole`, boundaries or session policies. Who has other keys than those of a session (the sandbox's
owner, an IAM user) is left to moto.
"""

import json
import re
from typing import Any

from moto.core.authorization import ActionAuthenticatorMixin
from moto.core.exceptions import AccessDeniedError, InvalidClientTokenIdError, JsonRESTError
from moto.core.responses import BaseResponse
from moto.core.utils import utcnow
from moto.iam.models import Role, iam_backends
from moto.secretsmanager.models import secretsmanager_backends
from moto.sts.models import AssumedRole, sts_backends

from deployments.sandbox.aws.authoriser import Document, Powers, Request, many, trusts
from deployments.sandbox.aws.permissions import Place, needed
from deployments.sandbox.aws.trail import Entry, Trail

SCOPE = re.compile(r"Credential=[^/]+/\d+/(?P<region>[^/]+)/(?P<service>[^/]+)/")
ALWAYS = {"sts:GetCallerIdentity"}
"""Allowed whatever a policy says (AWS Security Token Service API reference)."""


def enforce(trail: Trail) -> None:
    """Let sessions of roles do from now on what their policies allow, and nothing else; `trail` is told of all that they ask."""
    original = ActionAuthenticatorMixin._authenticate_and_authorize_normal_action  # noqa: SLF001 - the seam

    def authorise(endpoint: BaseResponse, resource: str = "*") -> None:
        session = _session(endpoint)
        if session is None:
            original(endpoint, resource)
        else:
            _check(endpoint, session, trail)

    setattr(ActionAuthenticatorMixin, "_authenticate_and_authorize_normal_action", authorise)  # noqa: B010 - a seam, said openly


def secret_arn(name: str, place: Place) -> str:
    """Return the ARN of the secret called `name`, the name itself where there is none."""
    found = secretsmanager_backends[place.account][place.region].secrets.get(name)
    return str(found.arn) if found else name


def _session(endpoint: BaseResponse) -> AssumedRole | None:
    backend = sts_backends[endpoint.current_account][endpoint.partition]
    return backend.get_assumed_role_from_access_key(endpoint.get_access_key())


def _check(endpoint: BaseResponse, session: AssumedRole, trail: Trail) -> None:
    if utcnow() > session.expiration or endpoint.headers.get("X-Amz-Security-Token") != session.session_token:
        raise _invalid(endpoint)
    scope = SCOPE.search(endpoint.headers["Authorization"])
    service, region = (scope["service"], scope["region"]) if scope else ("", endpoint.region)
    place = Place(endpoint.current_account, region)
    role, powers = _powers(session)
    operation = endpoint._get_action()  # noqa: SLF001 - the seam
    for request in needed(service, operation, _parameters(endpoint), place, lambda name: secret_arn(name, place)):
        verdict, layer = powers.verdict(request)
        if verdict == "allowed" and request.action == "sts:AssumeRole" and not _trusted(request, role, session):
            verdict, layer = "implicit deny", "role trust policy"
        denied = "" if verdict == "allowed" or request.action in ALWAYS else f"{verdict} in its {layer}"
        trail.note(Entry(session.arn, request.action, request.resource, denied, powers.allowing(request)))
        if denied:
            raise _denial(endpoint, session, request, denied)


def _powers(session: AssumedRole) -> tuple[Role, Powers]:
    backend = iam_backends[session.account_id][session.partition]
    role = backend.get_role_by_arn(session.role_arn)
    attached = [_default_version(policy) for policy in role.managed_policies.values()]
    boundary = role.permissions_boundary_arn
    return role, Powers(
        identity=tuple(_document(one) for one in [*role.policies.values(), *attached]),
        boundary=_document(_default_version(backend.get_policy(boundary))) if boundary else None,
        session=_document(session.policy) if session.policy else None,
    )


def _trusted(request: Request, caller: Role, session: AssumedRole) -> bool:
    """Return whether the role that is to be assumed trusts this one; AWS asks the trust policy besides the caller's own."""
    backend = iam_backends[session.account_id][session.partition]
    role = next((one for one in backend.roles.values() if one.arn == request.resource), None)
    names = (caller.arn, session.arn, f"arn:aws:iam::{session.account_id}:root")
    return role is not None and trusts(
        _document(role.assume_role_policy_document), [("AWS", name) for name in names], request
    )


def _default_version(policy: Any) -> Any:  # noqa: ANN401 - moto's policy
    return next(version.document for version in policy.versions if version.is_default)


def _document(document: Any) -> Document:  # noqa: ANN401 - moto keeps what CloudFormation made as it is, and the rest as text
    """Return a policy document; where a statement was AWS::NoValue moto keeps an empty place, and CloudFormation keeps none."""
    parsed = json.loads(document) if isinstance(document, str) else document
    return {**parsed, "Statement": [one for one in many(parsed.get("Statement", ())) if one is not None]}


def _parameters(endpoint: BaseResponse) -> dict[str, Any]:
    """Return the parameters of a call, whichever protocol it came by; nested ones of the query protocol stay flat."""
    if _speaks_json(endpoint):
        body: dict[str, Any] = json.loads(endpoint.body or "{}")
        return body
    return {name: values[0] for name, values in endpoint.querystring.items() if values}


def _denial(endpoint: BaseResponse, session: AssumedRole, request: Request, why: str) -> Exception:
    what = f"{request.action} on resource: {request.resource} ({why})"
    if _speaks_json(endpoint):
        return JsonRESTError("AccessDeniedException", f"User: {session.arn} is not authorized to perform: {what}")
    return AccessDeniedError(session.arn, what)


def _invalid(endpoint: BaseResponse) -> Exception:
    if _speaks_json(endpoint):
        return JsonRESTError("ExpiredTokenException", "The security token included in the request is expired")
    return InvalidClientTokenIdError()


def _speaks_json(endpoint: BaseResponse) -> bool:
    return "X-Amz-Target" in endpoint.headers
