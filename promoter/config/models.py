"""What should happen, as frozen models that refuse what they do not know."""

from fnmatch import fnmatchcase
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, PlainSerializer, StringConstraints, field_validator, model_validator

from promoter.config.base import Command, Model, Seconds
from promoter.config.migrations import OBJECT, Migrations
from promoter.config.problems import did_you_mean
from promoter.errors import ConfigurationError, UnknownBranchError

Stage = Literal["version", "test", "build", "deploy", "tag", "latest"]
DatabaseRollback = Literal["if_lossless", "never", "always"]
UnsafeMigrations = Literal["stop", "warn"]
NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"
URL = r"^https?://[^/@\s]+/\S*$"
FULL_NAME = r"^[A-Za-z0-9-]{1,39}/[A-Za-z0-9._-]{1,100}$"
ROLE = r"^arn:aws[a-z-]*:iam::\d{12}:role/[A-Za-z0-9_+=,.@/-]{1,512}$"
PATTERNS = {
    FULL_NAME: "OWNER/NAME as GitHub has it",
    OBJECT: "a module and a name in it such as app.models:Base",
    NAME: "up to 128 letters, digits, '.', '_' and '-', a letter or digit first",
    ROLE: "the ARN of an IAM role such as arn:aws:iam::123456789012:role/promoter-deployer-staging",
    URL: "a URL such as https://api.example/health, without user and password",
}
"""Each pattern in words."""

Name = Annotated[str, StringConstraints(pattern=NAME)]
RoleArn = Annotated[str, StringConstraints(pattern=ROLE)]
AnswerField = Annotated[
    str | None,
    BeforeValidator(lambda path: None if path is False else path),
    PlainSerializer(lambda path: False if path is None else path, when_used="json"),
]
"""A field to read in an answer; a file says `false` where it asks for nothing, for TOML has no None."""


class VersionRule(Model):
    """How `main` counts."""

    main: str = "main"
    """The branch whose tags are the base of every version."""
    main_raises: Literal["minor", "patch", "conventional"] = "minor"
    """What a release on `main` raises; `conventional` reads the Conventional Commits since the base."""


class Dependencies(Model):
    """Where the locked dependencies of the service are, and which of them a test needs."""

    tool: Literal["poetry", "uv"]
    directory: str = "."
    """The folder of the lock file, from the repository's root; in a uv workspace the workspace's root."""
    groups: tuple[str, ...] = ()
    """Groups that tests and migrations need besides the service's own, for example `dev`."""
    package: str | None = None
    """The workspace member that is the service; uv only."""
    python: str = "3.11"
    """The Python version of the service, as `uv` names it."""


class DatabaseKeys(Model):
    """The name of each part of the credentials in the environment's secret."""

    user: str = "POSTGRES_USER"
    password: str = "POSTGRES_PASSWORD"  # noqa: S105 - the name of a key, no password
    database: str = "POSTGRES_DB"
    host: str = "POSTGRES_HOST"
    port: str = "POSTGRES_PORT"


class Database(Model):
    """How the service's own code finds its database."""

    secret_keys: DatabaseKeys = DatabaseKeys()
    variables: dict[str, str] = Field(default_factory=lambda: {"DATABASE_URL": "postgresql+asyncpg://"})
    """Variables for tests and migrations. `{user}`, `{password}`, `{database}`, `{host}` and `{port}` are filled in.

    PGUSER, PGPASSWORD, PGHOST, PGPORT and PGDATABASE are always set, so a URL need not hold any of them.
    """


class Checks(Model):
    """What has to hold before anything is built for an environment."""

    directory: str = "."
    """Where the commands run, from the repository's root."""
    test: Command
    """The test command; it runs in the service's own locked environment."""
    quality: tuple[Command, ...] = ()
    """Code-quality commands, run before the tests."""
    junit: str | None = None
    """The JUnit file that the test command writes, from `directory`."""
    coverage: str | None = None
    """The Cobertura file that the test command writes, from `directory`."""
    variables: dict[str, str] = Field(default_factory=dict)
    """Further environment variables of the commands."""
    timeout: Seconds = 1800
    """Limit of each command, in seconds."""


class Codecov(Model):
    """Where coverage goes."""

    url: str | None = None
    """Another server than codecov.io."""
    slug: str | None = None
    """`owner/name` on Codecov."""
    token_variable: str = "CODECOV_TOKEN"  # noqa: S105 - the name of a variable, no token
    """The environment variable that holds the upload token."""


class Layers(Model):
    """An image put together without a daemon: the sources, the locked dependencies, a command."""

    include: tuple[str, ...]
    """Files and folders of the repository that go to `/app`, from `context`."""
    command: Command
    """What the container runs, in `/app`."""
    base: str | None = None
    """A base image in the same registry, `name:tag`; None starts from nothing."""
    user: str = "10001"
    """Who runs the command; never root."""
    port: int = 8080
    """The port that the container listens on."""
    variables: dict[str, str] = Field(default_factory=dict)
    """Environment variables of the image."""


class ImageRule(Model):
    """How the container image is made and where it goes."""

    repository: str
    """For example `ghcr.io/owner/name`."""
    builder: Literal["buildx", "layers"] = "buildx"
    context: str = "."
    dockerfile: str = "Dockerfile"
    """From `context`."""
    cache: str | None = None
    """The registry reference of the layer cache; None keeps no cache there."""
    insecure: bool = False
    """Speak plain HTTP with the registry; for loopback only."""
    credentials: str | None = None
    """Name of a Prefect `docker-registry-credentials` block; None takes PROMOTER_REGISTRY_USERNAME and _PASSWORD."""
    layers: Layers | None = None
    """Needed where `builder = "layers"`."""
    timeout: Seconds = 1800

    @model_validator(mode="after")
    def _layers_need_a_description(self) -> Self:
        if self.builder == "layers" and self.layers is None:
            msg = "has the builder 'layers', expected a table [image.layers] too"
            raise ValueError(msg)
        return self


class HealthAnswer(Model):
    """The fields to read in the JSON answer; a dotted path reaches inside, `false` (None here) asks for nothing."""

    status: AnswerField = "status"
    status_values: tuple[str, ...] = ("ok", "healthy")
    database: AnswerField = "database"
    database_values: tuple[str, ...] = ("ok", "healthy")
    version: str = "version"


class BranchRule(Model):
    """What a push to a branch does."""

    pattern: str
    """A branch name or a glob such as `cicd/*`; the first rule that matches holds."""
    stages: tuple[Stage, ...]
    suffix: str | None = None
    """The version's suffix; "" is a clean version, None the last part of the branch name."""
    platforms: tuple[str, ...] = ("linux/amd64",)
    environment: str | None = None
    """The environment that `deploy` changes."""

    @field_validator("stages")
    @classmethod
    def _stages_are_a_sentence(cls, stages: tuple[Stage, ...]) -> tuple[Stage, ...]:
        if stages not in SENTENCES:
            orders = "; ".join(", ".join(order) for order in SENTENCES)
            msg = f"are {', '.join(stages) or 'none'}, expected one of these orders: {orders}"
            raise ValueError(msg)
        return stages

    @model_validator(mode="after")
    def _deploy_has_an_environment(self) -> Self:
        if "deploy" in self.stages and self.environment is None:
            msg = "deploys, expected an environment to deploy to"
            raise ValueError(msg)
        if "deploy" not in self.stages and self.environment is not None:
            msg = f"has the environment {self.environment!r}, expected none where nothing is deployed"
            raise ValueError(msg)
        return self


class Environment(Model):
    """One place where the service runs."""

    region: str
    cluster: Name
    service: Name
    family: Name
    container: Name
    """The container in the task definition whose image is replaced."""
    secret: str
    """Name or ARN of the database secret in Secrets Manager."""
    health_url: Annotated[str, StringConstraints(pattern=URL)]
    variables: dict[str, str] = Field(default_factory=dict)
    """Environment variables of the migrations."""
    plain_variables: tuple[str, ...] = ()
    """Variables of the task definition that look like secrets and are none; any other one that does is refused."""
    credentials: str | None = None
    """Name of a Prefect `aws-credentials` block; None takes the AWS environment of the worker."""
    endpoint_url: str | None = None
    """Another AWS endpoint than Amazon's."""
    deployer_role: RoleArn | None = None
    """ARN of the role that changes the service; None changes it as who the worker is."""
    migrator_role: RoleArn | None = None
    """ARN of the role that reads `secret`; None reads it as who the worker is."""
    verifier_role: RoleArn | None = None
    """ARN of the role that looks at the service; None takes `deployer_role`, narrowed to looking."""
    rollout_timeout: Seconds = 900
    health_timeout: Seconds = 300
    """How long the health check waits for the right answer after the rollout, in seconds."""
    health_answers: Annotated[int, Field(ge=1, le=100)] = 3
    """Consecutive right answers that make a release verified."""
    database_rollback: DatabaseRollback = "if_lossless"
    """When a failed release takes the schema back by itself: where the rehearsal lost nothing, never, or also where it lost rows."""
    unsafe_migrations: UnsafeMigrations = "stop"
    """What becomes of a migration that is destructive, or breaks the release before, and says so nowhere."""
    approval: bool = False
    """Whether a person has to say yes in Prefect, when the image is there and before anything is changed."""
    approval_timeout: Seconds = 24 * 3600
    """How long the answer may take until the promotion is rejected, in seconds."""
    safety_copy_days: Annotated[int, Field(ge=1, le=3650)] = 30
    """How long the copy of what a migration destroyed is kept, in days."""


class GitHub(Model):
    """Where GitHub says that something was pushed; with it, what is pushed is promoted by itself."""

    repository: Annotated[str, StringConstraints(pattern=FULL_NAME)]
    """`OWNER/NAME`."""
    repository_id: Annotated[int, Field(gt=0)]
    """The number that GitHub gave it; another repository may come to bear its name, and none its number."""
    check_label: Annotated[str, Field(min_length=1, max_length=50)] = "promoter: check"
    """The label by which a maintainer lets the code of a fork be checked, as it is at that moment."""


class Service(Model):
    """One service: where it comes from, how it is checked and built, and where it runs."""

    name: Name
    repository: str
    """URL or path of the git remote."""
    github: GitHub | None = None
    """None promotes only what a person asks for."""
    version: VersionRule = VersionRule()
    dependencies: Dependencies
    database: Database = Database()
    checks: Checks
    codecov: Codecov | None = None
    image: ImageRule
    migrations: Migrations = Migrations()
    health: HealthAnswer = HealthAnswer()
    branches: tuple[BranchRule, ...]
    environments: dict[Name, Environment] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _environments_exist(self) -> Self:
        for rule in self.branches:
            if rule.environment is not None and rule.environment not in self.environments:
                known = ", ".join(self.environments) or "none, there is no table [environments.…]"
                question = did_you_mean(rule.environment, self.environments)
                msg = f"branches[{rule.pattern}].environment: is {rule.environment!r}, expected one of {known}"
                raise ValueError(f"{msg}. {question}" if question else msg)
        return self

    def rule(self, branch: str) -> BranchRule:
        """Return the first rule that matches `branch`, or raise UnknownBranchError."""
        for rule in self.branches:
            if fnmatchcase(branch, rule.pattern):
                return rule
        patterns = ", ".join(rule.pattern for rule in self.branches)
        raise UnknownBranchError(
            f"{self.name}: branch {branch!r} is not promoted: no rule matches it ({patterns})",
            hint="Merge it into a branch that is promoted, or add a [[branches]] rule to the service's file.",
        )

    def environment(self, name: str) -> Environment:
        """Return the environment called `name`, or raise ConfigurationError."""
        try:
            return self.environments[name]
        except KeyError:
            raise ConfigurationError(
                f"{self.name} has no environment {name!r}; it has {', '.join(self.environments) or 'none'}",
                hint=did_you_mean(name, self.environments),
            ) from None


SENTENCES: dict[tuple[Stage, ...], str] = {
    ("version", "test"): "promote_dev",
    ("version", "test", "build"): "promote_cicd",
    ("version", "test", "build", "deploy", "tag"): "promote_test",
    ("version", "test", "build", "deploy", "tag", "latest"): "promote_main",
}
"""The orders of stages that exist, and the flow that runs each."""
