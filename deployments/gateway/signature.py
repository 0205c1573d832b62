"""Says whether a body was signed with one of our secrets, in a time that tells nothing about them."""

import hmac
from collections.abc import Sequence
from hashlib import sha256

from promoter.errors import ConfigurationError
from promoter.settings import Settings

HEADER = "X-Hub-Signature-256"
"""The only one that counts; GitHub still sends `X-Hub-Signature` (SHA-1) too."""


def secrets(settings: Settings) -> tuple[bytes, ...]:
    """Return the secrets that are accepted, the present one first; raise ConfigurationError where one is missing or empty."""
    if settings.webhook_secret is None:
        raise ConfigurationError(
            "PROMOTER_WEBHOOK_SECRET is not set", hint="Set it to the secret of the webhook in GitHub's settings."
        )
    named = {
        "PROMOTER_WEBHOOK_SECRET": settings.webhook_secret,
        "PROMOTER_WEBHOOK_SECRET_BEFORE": settings.webhook_secret_before,
    }
    values = {name: secret.get_secret_value().encode() for name, secret in named.items() if secret is not None}
    for name, value in values.items():
        if not value.strip():
            raise ConfigurationError(
                f"{name} is empty", hint="Anybody could sign with an empty secret: set or unset it."
            )
    return tuple(values.values())


def sign(body: bytes, secret: bytes) -> bytes:
    """Return the value of the header for this body."""
    return b"sha256=" + hmac.new(secret, body, sha256).hexdigest().encode()


def is_signed(body: bytes, given: Sequence[bytes], accepted: Sequence[bytes]) -> bool:
    """Say whether `given`, the header's values, are one signature of `body` by one of the `accepted` secrets.

    Every secret is tried in every case, also where there is nothing to compare.
    """
    signature = given[0] if len(given) == 1 else b""
    found = [hmac.compare_digest(sign(body, secret), signature) for secret in accepted]
    return any(found)
