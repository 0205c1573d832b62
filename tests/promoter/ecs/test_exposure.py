"""A secret comes to a container by its ARN; one that anybody could read in the task definition is refused by name."""

from pathlib import Path
from typing import Any

import pytest

from deployments.sandbox.provision import definition
from deployments.sandbox.sample.service import service
from promoter.ecs import exposure
from promoter.errors import RolloutError
from promoter.records import Image


def answer(**variables: str) -> Any:
    """Return DescribeTaskDefinition's answer for one container with plain `variables`, and a sidecar with none."""
    plain = [{"name": name, "value": value} for name, value in variables.items()]
    return {"taskDefinition": {"containerDefinitions": [{"name": "log"}, {"name": "api", "environment": plain}]}}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("POSTGRES_PASSWORD", "hunter2"),
        ("PGPASSWORD", "hunter2"),
        ("db_pass", "hunter2"),
        ("JWT_SECRET", "signs all"),
        ("GITHUB_TOKEN", "ghp_123456"),
        ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI"),
        ("OPENAI_API_KEY", "sk-123456"),
        ("APIKEY", "sk-123456"),
        ("DATABASE_URL", "postgresql+asyncpg://api:hunter2@db/api"),
        ("BROKER", "redis://:hunter2@cache:6379/0"),
    ],
)
def test_what_looks_like_a_secret_is_refused_by_its_name(name: str, value: str) -> None:
    """And the error does not show what it is."""
    with pytest.raises(RolloutError, match=f"read it: {name} of api") as refused:
        exposure.refuse(answer(LOG_LEVEL="debug", **{name: value}), plain=())

    assert value not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("DATABASE_URL", "postgresql+asyncpg://", id="a URL without a password"),
        pytest.param("HOMEPAGE", "https://api.example/a:b@c", id="a path with a colon"),
        pytest.param("ACCESS_TOKEN_EXPIRE_MINUTES", "30", id="too short to be a secret"),
        pytest.param("MONKEY", "business", id="a word with another one in it"),
        pytest.param("COMPASS_DIRECTION", "northwest", id="another such word"),
        pytest.param("SECRET_NAME", "", id="nothing"),
    ],
)
def test_what_is_no_secret_is_left_alone(name: str, value: str) -> None:
    """A check that cries at everything is soon switched off."""
    exposure.refuse(answer(**{name: value}), plain=())


def test_who_knows_better_says_so() -> None:
    """By the exact name; all others are still refused, each one once."""
    shown = answer(TOKEN_ISSUER="https://login.example", SIGNING_KEY="hunter2", A_TOKEN="hunter2")

    with pytest.raises(RolloutError, match="read it: A_TOKEN of api, SIGNING_KEY of api"):
        exposure.refuse(shown, plain=["TOKEN_ISSUER"])
    exposure.refuse(shown, plain=["TOKEN_ISSUER", "SIGNING_KEY", "A_TOKEN"])


def test_the_sample_shows_nothing() -> None:
    """The first definition of each of its environments."""
    urls = {name: f"http://127.0.0.1:1/{name}" for name in ("staging", "production")}
    sample = service(Path("/sample.git"), "127.0.0.1:5000", urls, "http://127.0.0.1:4566")
    image = Image("127.0.0.1:5000/api", "v1.0.0", "sha256:" + "a" * 64, ("linux/amd64",))

    for environment in sample.environments.values():
        first: Any = {"taskDefinition": definition(sample, environment, image, "arn:secret")}
        assert first["taskDefinition"]["containerDefinitions"][0]["environment"]
        exposure.refuse(first, environment.plain_variables)
