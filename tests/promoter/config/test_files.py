"""A configuration file is right, or its mistakes are named: file, key, what was expected, the nearest right name."""

from collections.abc import Callable
from pathlib import Path

import pytest

from promoter import config
from promoter.config import Service
from promoter.errors import ConfigurationError, UnknownBranchError

RIGHT = """
name = "api"
repository = "https://git.example/api.git"
dependencies = { tool = "poetry" }
checks = { test = ["pytest"] }
image = { repository = "registry.example/api", builder = "buildx" }

[[branches]]
pattern = "dev"
stages = ["version", "test"]

[[branches]]
pattern = "test"
stages = ["version", "test", "build", "deploy", "tag"]
environment = "staging"

[environments.staging]
region = "us-east-2"
cluster = "ecs-dev"
service = "svc-dev"
family = "tsk-dev"
container = "api"
secret = "dev-database"
health_url = "https://api.example/health"
health_timeout = 300
"""
ORDERS = (
    "version, test; version, test, build; version, test, build, deploy, tag; version, test, build, deploy, tag, latest"
)
BRANCH_KEYS = "pattern, stages, suffix, platforms, environment"
IMAGE_KEYS = "repository, builder, context, dockerfile, cache, insecure, credentials, layers, timeout"
ROLE = "the ARN of an IAM role such as arn:aws:iam::123456789012:role/promoter-deployer-staging"
ALEMBIC = 'expected a list such as ["alembic", "{command}", "{target}"]'
NAME = "up to 128 letters, digits, '.', '_' and '-', a letter or digit first"


@pytest.fixture
def file(tmp_path: Path) -> Callable[[str], Path]:
    """Return what writes a service file."""

    def write(text: str) -> Path:
        path = tmp_path / "api.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_a_right_file_says_what_should_happen(file: Callable[[str], Path]) -> None:
    """And leaves the rest to defaults."""
    service = config.load(file(RIGHT))

    assert service.rule("test").environment == "staging"
    assert service.environment("staging").cluster == "ecs-dev"
    assert service.version.main_raises == "minor"


def test_false_asks_for_nothing_in_the_health_answer(file: Callable[[str], Path]) -> None:
    """TOML has no None; a health answer need not speak of the database."""
    service = config.load(file(f'health = {{ status = "up", database = false }}\n{RIGHT}'))

    assert (service.health.status, service.health.database) == ("up", None)
    assert Service.model_validate_json(service.model_dump_json()) == service


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        pytest.param('name = "api"', "", "name: is missing", id="missing key"),
        pytest.param(
            "builder",
            "bilder",
            f"image.bilder: is no key here, expected one of {IMAGE_KEYS}. Did you mean 'builder'?",
            id="unknown key",
        ),
        pytest.param(
            "environment =",
            "enviroment =",
            f"branches[test].enviroment: is no key here, expected one of {BRANCH_KEYS}. Did you mean 'environment'?",
            id="unknown key of a branch",
        ),
        pytest.param(
            '"buildx"',
            '"buildah"',
            "image.builder: is 'buildah', expected one of buildx, layers. Did you mean 'buildx'?",
            id="unknown value",
        ),
        pytest.param('"poetry"', '"pip"', "dependencies.tool: is 'pip', expected one of poetry, uv", id="nothing near"),
        pytest.param(
            '"tag"]',
            '"tags"]',
            "branches[test].stages[4]: is 'tags', expected one of version, test, build, deploy, tag, latest. Did you mean 'tag'?",
            id="unknown stage",
        ),
        pytest.param(
            '["version", "test"]',
            '["test", "version"]',
            f"branches[dev].stages: are test, version, expected one of these orders: {ORDERS}",
            id="no known order",
        ),
        pytest.param(
            '["version", "test"]',
            "[]",
            f"branches[dev].stages: are none, expected one of these orders: {ORDERS}",
            id="no stages",
        ),
        pytest.param(
            '["version", "test"]', '"version"', "branches[dev].stages: is 'version', expected a list", id="no list"
        ),
        pytest.param(
            "300", '"soon"', "environments.staging.health_timeout: is 'soon', expected a number", id="no number"
        ),
        pytest.param("300", "-3", "environments.staging.health_timeout: is -3, expected more than 0", id="too small"),
        pytest.param(
            "300", "1e9", "environments.staging.health_timeout: is 1000000000.0, expected at most 86400", id="too large"
        ),
        pytest.param(
            "300", "nan", "environments.staging.health_timeout: is nan, expected at most 86400", id="not a number"
        ),
        pytest.param('["pytest"]', "[]", "checks.test: is [], expected at least 1 of them", id="empty command"),
        pytest.param('["pytest"]', "[7]", "checks.test[0]: is 7, expected a text", id="no text"),
        pytest.param('{ tool = "poetry" }', "1", "dependencies: is 1, expected a table", id="no table"),
        pytest.param(
            'builder = "buildx"',
            'insecure = "perhaps"',
            "image.insecure: is 'perhaps', expected true or false",
            id="no truth",
        ),
        pytest.param(
            "health_timeout = 300",
            "health_answers = 2.5",
            "environments.staging.health_answers: is 2.5, expected a whole number",
            id="no whole number",
        ),
        pytest.param(
            '"ecs-dev"', '"ecs dev"', f"environments.staging.cluster: is 'ecs dev', expected {NAME}", id="no name"
        ),
        pytest.param(
            "[environments.staging]",
            '[environments."a b"]',
            f"environments.a b: is 'a b', expected {NAME}",
            id="no name of an environment",
        ),
        pytest.param(
            "https://api",
            "https://me:secret@api",
            "environments.staging.health_url: is something else, expected a URL such as https://api.example/health, without user and password",
            id="a URL with a password",
        ),
        pytest.param(
            "health_timeout = 300",
            'deployer_role = "promoter-deployer"',
            f"environments.staging.deployer_role: is 'promoter-deployer', expected {ROLE}",
            id="a role's name alone",
        ),
        pytest.param(
            "health_timeout = 300",
            'verifier_role = "arn:aws:iam::123456789012:user/ada"',
            f"environments.staging.verifier_role: is 'arn:aws:iam::123456789012:user/ada', expected {ROLE}",
            id="a user in a role's place",
        ),
        pytest.param(
            'environment = "staging"',
            'environment = "stagin"',
            "branches[test].environment: is 'stagin', expected one of staging. Did you mean 'staging'?",
            id="an environment that is not there",
        ),
        pytest.param(
            'environment = "staging"\n',
            "",
            "branches[test]: deploys, expected an environment to deploy to",
            id="deploy without environment",
        ),
        pytest.param(
            '["version", "test"]\n',
            '["version", "test"]\nenvironment = "staging"\n',
            "branches[dev]: has the environment 'staging', expected none where nothing is deployed",
            id="environment without deploy",
        ),
        pytest.param(
            '"buildx"',
            '"layers"',
            "image: has the builder 'layers', expected a table [image.layers] too",
            id="layers without table",
        ),
        pytest.param(
            "[[branches]]",
            '[migrations]\nrunner = "ecs-tasks"\n\n[[branches]]',
            "migrations.runner: is 'ecs-tasks', expected one of subprocess, ecs-task. Did you mean 'ecs-task'?",
            id="unknown runner",
        ),
        pytest.param(
            "[[branches]]",
            '[migrations]\ncommand = ["alembic", "upgrade", "{target}"]\n\n[[branches]]',
            f"migrations.command: has no {{command}}, {ALEMBIC}",
            id="a command that cannot go back",
        ),
        pytest.param(
            "[[branches]]",
            '[migrations]\ncommand = ["alembic", "-x{host}", "{command}", "{target}"]\n\n[[branches]]',
            f"migrations.command: has {{host}}, which nothing fills in, {ALEMBIC}",
            id="a command with what there is not",
        ),
        pytest.param(
            "[[branches]]",
            '[migrations]\nvariables = { URL = "{password}" }\n\n[[branches]]',
            "migrations.variables: has {password}, which nothing fills in, expected no other than {settings}: "
            "credentials reach the task by the `secrets` of its definition",
            id="a password among the variables of a task",
        ),
        pytest.param(
            "[[branches]]",
            "[migrations]\nlock_patience = -1\n\n[[branches]]",
            "migrations.lock_patience: is -1, expected at least 0",
            id="no patience is 0",
        ),
    ],
)
def test_a_wrong_file_is_told_what_was_expected(file: Callable[[str], Path], right: str, wrong: str, said: str) -> None:
    """One line per mistake, and nothing else."""
    path = file(RIGHT.replace(right, wrong, 1))

    with pytest.raises(ConfigurationError) as caught:
        config.load(path)

    assert caught.value.message == f"{path}: {said}"
    assert caught.value.hint == "Mend the file; nothing was changed."


def test_all_mistakes_are_named_at_once(file: Callable[[str], Path]) -> None:
    """Nobody has to run it once for each."""
    path = file(RIGHT.replace("buildx", "buildah").replace('"ecs-dev"', "7").replace('name = "api"', 'nam = "api"'))

    with pytest.raises(ConfigurationError) as caught:
        config.load(path)

    keys = [line.removeprefix(f"{path}: ").split(":")[0] for line in caught.value.message.splitlines()]
    assert keys == ["image.builder", "environments.staging.cluster", "nam"]


def test_what_is_no_toml_is_told_its_line(file: Callable[[str], Path]) -> None:
    """The place, as the parser saw it."""
    with pytest.raises(ConfigurationError, match=r"api\.toml: is not TOML: .*line 2"):
        config.load(file("\nname = api\n"))


def test_what_cannot_be_read_is_told_why(tmp_path: Path) -> None:
    """Absent, a folder, or no text."""
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")

    for path in (tmp_path / "absent.toml", tmp_path, tmp_path / "binary.toml"):
        with pytest.raises(ConfigurationError, match="cannot be read"):
            config.load(path)


def test_a_service_is_found_by_its_name(file: Callable[[str], Path]) -> None:
    """The name of the file and the name in it are one."""
    folder = file(RIGHT).parent

    assert config.find("api", folder).name == "api"


def test_a_service_that_is_not_there_has_a_neighbour(file: Callable[[str], Path]) -> None:
    """The nearest name is asked about."""
    folder = file(RIGHT).parent

    with pytest.raises(ConfigurationError, match="there are: api") as caught:
        config.find("apy", folder)

    assert caught.value.hint == "Did you mean 'api'?"


def test_a_file_that_says_another_name_is_refused(file: Callable[[str], Path]) -> None:
    """Two files could otherwise be one service."""
    path = file(RIGHT.replace('name = "api"', 'name = "other"'))

    with pytest.raises(ConfigurationError, match="name: is 'other', expected 'api', the name of the file"):
        config.find("api", path.parent)


def test_the_first_rule_that_matches_holds(make_service: Callable[..., Service]) -> None:
    """Names and globs, case and all."""
    rules = [{"pattern": pattern, "stages": ["version", "test"]} for pattern in ("cicd/first", "cicd/*")]
    service = make_service(branches=rules)

    assert service.rule("cicd/first").pattern == "cicd/first"
    assert service.rule("cicd/second").pattern == "cicd/*"


@pytest.mark.parametrize("branch", ["feat/new", "Dev", "dev ", "", "refs/heads/dev"])
def test_an_unknown_branch_is_not_promoted(make_service: Callable[..., Service], branch: str) -> None:
    """It is told which ones are."""
    with pytest.raises(UnknownBranchError, match=r"no rule matches it \(dev, test, main\)"):
        make_service().rule(branch)


def test_an_unknown_environment_has_a_neighbour(make_service: Callable[..., Service]) -> None:
    """The nearest name is asked about."""
    with pytest.raises(ConfigurationError, match="it has staging, production") as caught:
        make_service().environment("productoin")

    assert caught.value.hint == "Did you mean 'production'?"
