"""The owner of the sandbox's AWS account, who may do everything there. Nothing that promotes is ever the owner."""

import boto3  # noqa: TID251 - the owner of the account, not a promotion

NUMBER = "123456789012"
"""Of the account."""
KEY = "sandbox"
"""Both parts of the owner's key: moto asks nobody but the sessions of roles what they may do."""


def session() -> boto3.Session:
    """Return the owner's session; where AWS is, the environment's variables say."""
    return boto3.Session(KEY, KEY)
