"""A wrong word in a service file: one clear error before anything is changed."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import uuid4

import pytest

from deployments import runs
from deployments.sandbox import owner, registry, sandbox
from deployments.sandbox.sample.service import to_toml
from promoter import remotes
from promoter.config import DatabaseKeys, Service
from promoter.errors import (
    HealthError,
    ImageError,
    PromoterError,
    RolloutError,
    SchemaError,
    SecretError,
    UnknownBranchError,
)
from promoter.ledger.promotions import Promotion
from promoter.records import Push, Version
from promoter.settings import Settings
from tasks.preflight import check_environment
from tests.stories.conftest import Stage

pytestmark = [pytest.mark.xdist_group("sandbox"), pytest.mark.slow]


class Elsewhere(BaseHTTPRequestHandler):
    """Sends everybody who asks away, to another host."""

    def do_GET(self) -> None:
        """Redirect, or answer without an end."""
        if self.path == "/endless":
            self._flood()
            return
        self.send_response(302)
        self.send_header("Location", "http://elsewhere.example/health")
        self.end_headers()

    def _flood(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(10 * 1024**3))
        self.end_headers()
        with suppress(OSError):
            while True:
                self.wfile.write(b" " * 65536)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@dataclass(frozen=True)
class Outside:
    """What the wrong files name."""

    url: str
    """Of a server that sends everybody to another host, and answers `/endless` without an end."""
    registry: str
    """`host:port` of a registry that does not know us."""
    password: str
    """The one that no error may show."""


@dataclass(frozen=True)
class Case:
    """One wrong word, and the words of the error it has to give."""

    edit: Callable[[Service, Outside], Service]
    error: type[PromoterError]
    words: tuple[str, ...]


def staging(**parts: Any) -> Callable[[Service, Outside], Service]:
    """Return what gives the staging environment other parts."""
    return lambda service, _: with_staging(service, **parts)


def with_staging(service: Service, /, **parts: Any) -> Service:
    """Return `service` with other parts of its staging environment."""
    environments = dict(service.environments)
    environments["staging"] = environments["staging"].model_copy(update=parts)
    return service.model_copy(update={"environments": environments})


def image(service: Service, outside: Outside) -> Service:
    """Return `service` with its image in a registry that does not know us."""
    rule = service.image.model_copy(update={"repository": f"{outside.registry}/sample/api"})
    return service.model_copy(update={"image": rule})


def health(path: str) -> Callable[[Service, Outside], Service]:
    """Return what gives the staging environment a health URL on the strange server."""
    return lambda service, outside: with_staging(service, health_url=outside.url + path)


def keys(service: Service, _: Outside) -> Service:
    """Return `service` with a key that its secret has not."""
    database = service.database.model_copy(update={"secret_keys": DatabaseKeys(user="POSTGRES_LOGIN")})
    return service.model_copy(update={"database": database})


CASES = {
    "no-secret": Case(staging(secret="nowhere"), SecretError, ("'nowhere'", "ResourceNotFoundException")),
    "no-key": Case(keys, SecretError, ("POSTGRES_LOGIN", "dev-sample-api-rds-proxy-credentials")),
    "no-database": Case(staging(secret="closed-database"), SchemaError, ("127.0.0.1:1", "refused")),
    "no-cluster": Case(staging(cluster="ecs-none"), RolloutError, ("ecs-none",)),
    "no-service": Case(staging(service="svc-none"), RolloutError, ("svc-none", "does not exist")),
    "inactive-service": Case(staging(service="svc-closed"), RolloutError, ("svc-closed", "INACTIVE")),
    "service-of-codedeploy": Case(staging(service="svc-blue-green"), RolloutError, ("deployed by CODE_DEPLOY",)),
    "service-without-tasks": Case(staging(service="svc-idle"), RolloutError, ("wants 0 tasks",)),
    "no-way-back": Case(staging(service="svc-orphan"), ImageError, ("is gone from the registry", "no way back")),
    "no-container": Case(staging(container="nobody"), RolloutError, ("nobody", "sample-api-service")),
    "refusing-registry": Case(image, ImageError, ("refuses the credentials of 'promoter'",)),
    "redirecting-health-url": Case(health("/health"), HealthError, ("elsewhere.example",)),
    "endless-health-answer": Case(health("/endless"), HealthError, ("longer than 64 KB",)),
}


@pytest.fixture(scope="module")
def outside(running: sandbox.Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outside]:
    """Make what the wrong words name: a server, a registry, a secret and a service that was deleted."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    rules = registry.Access(mode="bearer", users={"somebody": registry.User("secret")})
    other = registry.start(tmp_path_factory.mktemp("registry"), rules)
    with pytest.MonkeyPatch.context() as patch:
        service = Stage.on(running, patch).service
        close_service(service)
        for name, parts in ODD_SERVICES.items():
            make_service(service, name, **parts)
        yield Outside(f"http://127.0.0.1:{server.server_port}", other.host, close_database(service))
    other.stop()
    server.shutdown()
    server.server_close()


def close_database(service: Service) -> str:
    """Make a secret that names a port where nobody listens, and return the password in it."""
    secrets = owner.session().client("secretsmanager")
    text = secrets.get_secret_value(SecretId=service.environment("staging").secret)["SecretString"]
    closed = {**json.loads(text), "POSTGRES_PORT": "1"}
    secrets.create_secret(Name="closed-database", SecretString=json.dumps(closed))
    return str(closed["POSTGRES_PASSWORD"])


def close_service(service: Service) -> None:
    """Make a service in the staging cluster and delete it: ECS remembers it as INACTIVE."""
    ecs, environment = owner.session().client("ecs"), service.environment("staging")
    ecs.create_service(
        cluster=environment.cluster, serviceName="svc-closed", taskDefinition=environment.family, desiredCount=0
    )
    ecs.delete_service(cluster=environment.cluster, service="svc-closed", force=True)


ODD_SERVICES: dict[str, dict[str, Any]] = {
    "svc-blue-green": {"deploymentController": {"type": "CODE_DEPLOY"}, "desiredCount": 0},
    "svc-idle": {"desiredCount": 0},
    "svc-orphan": {"image": f"@sha256:{'0' * 64}"},
}


def make_service(service: Service, name: str, *, image: str = "", **parts: Any) -> None:
    """Make a service in the staging cluster that no release can be rolled out on, or taken back; it wants one task."""
    ecs, environment = owner.session().client("ecs"), service.environment("staging")
    definition = ecs.describe_task_definition(taskDefinition=environment.family)["taskDefinition"]
    container = definition["containerDefinitions"][0]
    container = {**container, "image": container["image"].partition("@")[0] + image} if image else container
    own = ecs.register_task_definition(family=name, containerDefinitions=[container])["taskDefinition"]
    breaker = {"deploymentCircuitBreaker": {"enable": True, "rollback": True}}
    wanted = {"desiredCount": 1, "deploymentConfiguration": breaker, **parts}
    ecs.create_service(cluster=environment.cluster, serviceName=name, taskDefinition=own["taskDefinitionArn"], **wanted)


@pytest.fixture
def without_roles(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Service:
    """Return the sandbox's service as somebody who may see everything: a role is denied what its file does not mean."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, owner.KEY)
    monkeypatch.delenv("AWS_SESSION_TOKEN")
    return with_staging(stage.service, deployer_role=None, migrator_role=None, verifier_role=None)


@pytest.mark.parametrize("name", CASES)
def test_a_wrong_word_is_told_before_anything_is_touched(without_roles: Service, outside: Outside, name: str) -> None:
    """The error names what is wrong and what to do next, and no password."""
    case = CASES[name]
    promotion = promotion_of(case.edit(without_roles, outside))
    version = Version("v1.0.9-test", "1.0.9-test", "v1.0.2", promotion.push.commit, "test", "the next one")

    with pytest.raises(case.error) as refused:
        check_environment.fn(promotion, version)

    told = str(refused.value)
    assert [word for word in case.words if word not in told] == [], told
    assert refused.value.hint
    assert outside.password not in told


def test_what_is_wrong_rejects_the_promotion(stage: Stage) -> None:
    """No check ran, nothing was built, nothing moved; the run says so by its name."""
    before = stage.world()
    service = with_staging(stage.service, secret="nowhere").model_copy(update={"name": "no-secret", "github": None})
    (Settings().services / "no-secret.toml").write_text(to_toml(service))

    told = replace(stage, service=service).promote("test")

    assert told.promotion.outcome == "rejected"
    assert told.cause.startswith("secret 'nowhere' in us-east-2 cannot be read")
    assert [step.stage for step in told.steps] == ["compute_version"]
    assert told.state() == "Rejected"
    assert stage.world() == before


def test_an_unknown_branch_is_refused_without_a_run(stage: Stage) -> None:
    """It ends with an exit code of its own."""
    with pytest.raises(UnknownBranchError, match="feat/x") as refused:
        runs.promote(stage.service, "feat/x")

    assert refused.value.exit_code == 3


def test_an_unknown_commit_ends_the_run_without_a_promotion(stage: Stage) -> None:
    """The run's own message says which commit."""
    before = stage.world()

    message = stage.refused(runs.promote(stage.service, "test", "f" * 40))

    assert "f" * 40 in message
    assert stage.world() == before


def promotion_of(service: Service) -> Promotion:
    """Return a promotion of the head of `test`; the look at its environment needs no ledger."""
    commit = remotes.head(service.repository, "test")
    push = Push(repository=service.repository, branch="test", commit=commit, base="v1.0.2")
    return Promotion(uuid4(), push, service, None, None, datetime.now(UTC), None, None, None, None)
