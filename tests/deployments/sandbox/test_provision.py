"""The first task definition of an environment hands credentials out by name, and never by value."""

from pathlib import Path

from deployments.sandbox.provision import definition
from deployments.sandbox.sample.service import service
from promoter.config import Database, Service
from promoter.records import Image

HEALTH_URLS = {"staging": "http://127.0.0.1:8001/health", "production": "http://127.0.0.1:8002/health"}
IMAGE = Image("127.0.0.1:5000/api", "v1.0.0", "sha256:" + "a" * 64, ("linux/amd64",))


def handed(database: Database, **further: str) -> tuple[dict[str, str], dict[str, str]]:
    """Return the plain and the secret variables of the container of `staging`, where MODE and KEY are plain ones."""
    sample: Service = service(Path("/sample.git"), "127.0.0.1:5000", HEALTH_URLS, "http://127.0.0.1:4566")
    staging = sample.environment("staging").model_copy(update={"variables": {"MODE": "staging", "KEY": "none"}})
    request = definition(sample.model_copy(update={"database": database}), staging, IMAGE, "arn:secret", further)
    container = request["containerDefinitions"][0]
    return (
        {one["name"]: one["value"] for one in container["environment"]},
        {one["name"]: one["valueFrom"] for one in container["secrets"]},
    )


def test_a_variable_that_is_one_credential_comes_from_its_key_of_the_secret() -> None:
    """Under the service's own name for it, and under libpq's."""
    _, secret = handed(Database(variables={"POSTGRES_SERVER": "{host}"}))

    assert secret["POSTGRES_SERVER"] == secret["PGHOST"] == "arn:secret:POSTGRES_HOST::"


def test_a_variable_of_several_credentials_has_no_place_in_a_container() -> None:
    """ECS does not fill in templates; a text without a credential in it is plain."""
    plain, secret = handed(Database(variables={"URL": "postgresql://{user}:{password}@{host}/", "DRIVER": "psycopg"}))

    assert "URL" not in plain | secret
    assert plain["DRIVER"] == "psycopg"


def test_a_secret_variable_is_not_a_plain_one_too() -> None:
    """ECS refuses a name that is both; what is only meant for migrations gives way."""
    plain, secret = handed(Database(), KEY="value in the secret")

    assert plain["MODE"] == "staging"
    assert "KEY" not in plain
    assert secret["KEY"] == "arn:secret:KEY::"
