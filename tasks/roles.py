"""The session of a role as credentials that prefect-aws takes: asked for at the first call, and renewed before it ends.

botocore does the renewing. What it is given is held in memory, is no parameter, and is said nowhere.
"""

import boto3  # noqa: TID251 - a session whose credentials botocore renews is made of boto3's
import botocore.session
from botocore.credentials import CredentialProvider, CredentialResolver, DeferredRefreshableCredentials
from prefect_aws import AwsCredentials

from promoter.discretion import remember
from promoter.identities import Identity


class AssumedRole(AwsCredentials):
    """The session of a role that other credentials assume; it is asked for at the first call and renewed before it ends."""

    _block_type_name = "Assumed AWS role"
    _block_type_slug = "assumed-aws-role"
    identity: Identity

    def __hash__(self) -> int:
        return hash((super().__hash__(), self.identity))  # type: ignore[no-untyped-call]

    def get_boto3_session(self) -> boto3.Session:
        """Return a session of boto3 with the role's own, passing credentials."""
        session = botocore.session.Session()
        provider = _AssumedRoleProvider(super().get_boto3_session(), self)
        session.register_component("credential_provider", CredentialResolver([provider]))
        return boto3.Session(botocore_session=session, region_name=self.region_name)


class _AssumedRoleProvider(CredentialProvider):
    """Where botocore finds the credentials of a role."""

    METHOD = "sts-assume-role"

    def __init__(self, source: boto3.Session, role: AssumedRole) -> None:
        super().__init__()
        self._source = source
        self._role = role

    def load(self) -> DeferredRefreshableCredentials:
        return DeferredRefreshableCredentials(self._assume, self.METHOD)

    def _assume(self) -> dict[str, str]:
        settings = self._role.aws_client_parameters.get_params_override()
        client = self._source.client("sts", **{"region_name": self._role.region_name, **settings})
        found = client.assume_role(**self._role.identity.request())["Credentials"]
        remember(found["SecretAccessKey"], found["SessionToken"])
        return {
            "access_key": found["AccessKeyId"],
            "secret_key": found["SecretAccessKey"],
            "token": found["SessionToken"],
            "expiry_time": found["Expiration"].isoformat(),
        }
