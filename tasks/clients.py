"""The one place that turns configuration and Prefect's blocks into clients and credentials for the tools."""

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError
from prefect_aws import AwsClientParameters, AwsCredentials
from prefect_aws.secrets_manager import AwsSecret
from prefect_docker.credentials import DockerRegistryCredentials

from promoter import images, secrets
from promoter.config import Environment, ImageRule, Service
from promoter.discretion import remember
from promoter.errors import SecretError
from promoter.identities import Purpose, identity
from promoter.images import Login
from promoter.masking import spellings
from promoter.registry import Registry
from promoter.secrets import DatabaseCredentials, database_credentials
from promoter.settings import Settings
from tasks.roles import AssumedRole

if TYPE_CHECKING:
    from mypy_boto3_ecs import ECSClient
    from mypy_boto3_logs import CloudWatchLogsClient

TRANSIENT = {"InternalServiceError", "RequestLimitExceeded", "ServiceUnavailable", "ThrottlingException"}
"""Error codes of Secrets Manager after which the same call may well succeed."""


def aws(environment: Environment, purpose: Purpose, subject: str | None = None) -> AwsCredentials:
    """Return who to be in an environment for `purpose`: the session of its role, else who the worker is.

    `subject` is for whom it is done, a promotion's id; None is the person or the worker that runs this. The worker is the environment's Prefect
    block, else what its AWS environment says (role, variables, profile).
    """
    worker = _worker(environment)
    role = identity(environment, purpose, subject or Settings().user)
    if role is None:
        return worker
    return AssumedRole(**{name: getattr(worker, name) for name in AwsCredentials.model_fields}, identity=role)


def _worker(environment: Environment) -> AwsCredentials:
    if environment.credentials is not None:
        loaded = AwsCredentials.load(environment.credentials)
        known = AwsCredentials.model_validate(loaded)
        if known.aws_secret_access_key is not None:
            remember(known.aws_secret_access_key.get_secret_value())
        return known
    parameters = AwsClientParameters(endpoint_url=environment.endpoint_url)
    return AwsCredentials(region_name=environment.region, aws_client_parameters=parameters)


def ecs(environment: Environment, purpose: Purpose = "verify", subject: str | None = None) -> "ECSClient":
    """Return the ECS client of an environment; who only looks needs to say nothing."""
    client: ECSClient = aws(environment, purpose, subject).get_client("ecs")
    return client


def logs(environment: Environment, purpose: Purpose = "verify", subject: str | None = None) -> "CloudWatchLogsClient":
    """Return the CloudWatch Logs client of an environment."""
    client: CloudWatchLogsClient = aws(environment, purpose, subject).get_client("logs")
    return client


def database(service: Service, environment: Environment, subject: str | None = None) -> DatabaseCredentials:
    """Read the database credentials of an environment from Secrets Manager, at the moment of use; `renew` reads them again.

    Raises SecretError if the secret or a key in it is missing; transient if Secrets Manager does not answer.
    """
    found = database_credentials(_read(environment, subject), service.database.secret_keys, environment.secret)
    return replace(found, renew=partial(database, service, environment, subject))


def hidden_values(service: Service, environment: Environment, subject: str | None = None) -> list[str]:
    """Return what no output of the service's tasks may show: the values of the environment's secret; raises as `database` does."""
    text, keys = _read(environment, subject), service.database.secret_keys
    password = database_credentials(text, keys, environment.secret).password.get_secret_value()
    return [password, *secrets.hidden_values(text, keys)]


def hidden_spellings(service: Service, environment: Environment, subject: str | None = None) -> list[str]:
    """Return `hidden_values` in every way in which a program may write them."""
    return [spelling for value in hidden_values(service, environment, subject) for spelling in spellings(value)]


def _read(environment: Environment, subject: str | None) -> str:
    """Return the text of the environment's secret."""
    secret = AwsSecret(aws_credentials=aws(environment, "migrate", subject), secret_name=environment.secret)
    try:
        return str(secret.read_secret(_sync=True))
    except ClientError as error:
        code = error.response["Error"]["Code"]
        raise SecretError(
            f"secret {environment.secret!r} in {environment.region} cannot be read: {code}",
            hint="Check its name, its region, and that the migrator's role (else the worker's) may read it.",
            transient=code in TRANSIENT,
        ) from error
    except BotoCoreError as error:
        raise SecretError(f"Secrets Manager in {environment.region}: {error}", transient=True) from error


def registry(rule: ImageRule) -> Registry:
    """Return the client of the image's repository."""
    return images.open_registry(rule, login(rule))


def login(rule: ImageRule) -> Login | None:
    """Return who we are at the image's registry: the rule's Prefect block, else the environment's variables, else nobody."""
    if rule.credentials is not None:
        block = DockerRegistryCredentials.model_validate(DockerRegistryCredentials.load(rule.credentials))
        return Login(block.username, block.password)
    settings = Settings()
    if settings.registry_username is None or settings.registry_password is None:
        return None
    return Login(settings.registry_username, settings.registry_password)
