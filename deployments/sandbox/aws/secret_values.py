"""Reads the secrets of a task definition from the sandbox's Secrets Manager, as ECS's agent does."""

import json
import re

from moto.secretsmanager.models import secretsmanager_backends

from deployments.sandbox.aws.refusals import StartError

ARN = re.compile(r"(?P<arn>arn:aws:secretsmanager:(?P<region>[^:]+):(?P<account>\d+):secret:[^:]+)(?::(?P<rest>.*))?")


def value_of(reference: str, account: str, region: str) -> str:
    """Return what `valueFrom` names: a name or ARN, the latter with `:json-key:version-stage:version-id` where wanted.

    Raises StartError with the words of ECS; no value stands in it.
    Source: ECS developer guide, "Pass Secrets Manager secrets through environment variables".
    """
    match = ARN.fullmatch(reference)
    secret = match["arn"] if match else reference
    parts = (match["rest"] or "").split(":") if match else []
    key, stage, version = (*parts, "", "", "")[:3]
    if match:
        account, region = match["account"], match["region"]
    try:
        found = secretsmanager_backends[account][region].get_secret_value(secret, version, stage)
    except Exception as error:
        raise _refused(f"unable to retrieve secret {secret} from asm: {type(error).__name__}") from error
    text = str(found["SecretString"])
    return _part(text, key, secret) if key else text


def _part(text: str, key: str, secret: str) -> str:
    try:
        value = json.loads(text)[key]
    except (ValueError, KeyError, TypeError):
        raise _refused(f"retrieved secret from Secrets Manager did not contain json key {key}: {secret}") from None
    return value if isinstance(value, str) else json.dumps(value)


def _refused(detail: str) -> StartError:
    return StartError(
        f"ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: {detail}"
    )
