"""The shipped file of the Morpheus Marketplace API says what the specification says."""

from pathlib import Path

import pytest

from promoter import config
from promoter.config import SENTENCES, Codecov, DatabaseKeys, Service
from promoter.errors import UnknownBranchError

FOLDER = Path(__file__).parents[3] / "deployments" / "services"


@pytest.fixture(scope="module")
def morpheus() -> Service:
    """Return the shipped service."""
    return config.find("morpheus-marketplace-api", FOLDER)


@pytest.mark.parametrize(
    ("branch", "row"),
    [
        ("dev", ("promote_dev", "dev", ("linux/amd64",), None)),
        ("test", ("promote_test", "test", ("linux/amd64",), "staging")),
        ("main", ("promote_main", "", ("linux/amd64", "linux/arm64"), "production")),
        ("cicd/faster-builds", ("promote_cicd", None, ("linux/amd64",), None)),
    ],
)
def test_a_push_does_what_its_row_says(morpheus: Service, branch: str, row: tuple[object, ...]) -> None:
    """The flow, the version's suffix, the platforms and the environment, row by row."""
    rule = morpheus.rule(branch)

    assert (SENTENCES[rule.stages], rule.suffix, rule.platforms, rule.environment) == row


@pytest.mark.parametrize("branch", ["feat/colour", "fix/colour", "someone/idea", "Main", "developer", "cicd"])
def test_any_other_branch_is_not_promoted(morpheus: Service, branch: str) -> None:
    """A pull request to `dev` is checked, a push does nothing."""
    with pytest.raises(UnknownBranchError):
        morpheus.rule(branch)


@pytest.mark.parametrize(
    ("name", "short", "url"),
    [
        ("staging", "dev", "https://api.dev.mor.org/health"),
        ("production", "prd", "https://api.mor.org/health"),
    ],
)
def test_an_environment_has_the_names_in_use(morpheus: Service, name: str, short: str, url: str) -> None:
    """Region, cluster, service, family, container, secret, health check."""
    environment = morpheus.environment(name)

    assert environment.model_dump(exclude_unset=True) == {
        "region": "us-east-2",
        "cluster": f"ecs-{short}-morpheus-engine",
        "service": f"svc-{short}-api-service",
        "family": f"tsk-{short}-api-service",
        "container": "morpheus-api-service",
        "secret": f"{short}-morpheus-api-rds-proxy-credentials",
        "health_url": url,
        "health_timeout": 300,
        "variables": {"ENVIRONMENT": short},
    }


def test_there_are_two_environments(morpheus: Service) -> None:
    """And no third."""
    assert list(morpheus.environments) == ["staging", "production"]


def test_the_repository_and_its_versions(morpheus: Service) -> None:
    """`main` raises the minor number."""
    assert morpheus.repository == "https://github.com/MorpheusAIs/Morpheus-Marketplace-API.git"
    assert (morpheus.version.main, morpheus.version.main_raises) == ("main", "minor")


def test_the_image_goes_to_ghcr_by_buildx_with_a_cache(morpheus: Service) -> None:
    """The cache lies beside the image, under a name that no version can have."""
    image = morpheus.image

    assert (image.repository, image.builder) == ("ghcr.io/morpheusais/morpheus-marketplace-api", "buildx")
    assert (image.dockerfile, image.cache) == ("Dockerfile", f"{image.repository}:buildcache")
    assert not image.insecure


def test_checks_run_in_the_locked_environment_and_reach_codecov(morpheus: Service) -> None:
    """Poetry, Python 3.11, pytest with JUnit and coverage, code quality."""
    assert (morpheus.dependencies.tool, morpheus.dependencies.python) == ("poetry", "3.11")
    assert morpheus.dependencies.groups == ("dev",)
    assert morpheus.checks.test[0] == "pytest"
    assert {"--cov=src", f"--junitxml={morpheus.checks.junit}", "--cov-report=xml"} <= set(morpheus.checks.test)
    assert morpheus.checks.coverage == "coverage.xml"
    assert [command[0] for command in morpheus.checks.quality] == ["ruff"]
    assert morpheus.codecov == Codecov(slug="MorpheusAIs/Morpheus-Marketplace-API")


def test_migrations_read_a_url_without_a_password(morpheus: Service) -> None:
    """The credentials come in PG* variables, from the keys of the secret."""
    assert morpheus.database.variables == {"DATABASE_URL": "postgresql+asyncpg://"}
    assert morpheus.database.secret_keys == DatabaseKeys(
        user="POSTGRES_USER",
        password="POSTGRES_PASSWORD",
        database="POSTGRES_DB",
        host="POSTGRES_HOST",
        port="POSTGRES_PORT",
    )
    assert (morpheus.migrations.directory, morpheus.migrations.config) == (".", "alembic.ini")


def test_the_health_answer_has_to_say_ok_and_healthy(morpheus: Service) -> None:
    """And the version stands in `version`."""
    health = morpheus.health

    assert (health.status, health.status_values) == ("status", ("ok",))
    assert (health.database, health.database_values) == ("database", ("healthy",))
    assert health.version == "version"
