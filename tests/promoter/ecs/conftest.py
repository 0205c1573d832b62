"""A sandboxed ECS with images that behave well and badly, and a service of one's own on it."""

import gzip
import io
import tarfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders

from deployments.sandbox import registry
from deployments.sandbox.aws import client as aws
from promoter.config import Environment
from promoter.ecs import EcsService, rollouts, task_definitions
from promoter.images import oci
from promoter.records import Rollout
from promoter.registry import Registry

if TYPE_CHECKING:
    from mypy_boto3_ecs import ECSClient
    from mypy_boto3_logs import CloudWatchLogsClient

REGION = "us-east-2"
TIMEOUT = 60
APP = """
import http.server, os, sys, time
behaviour = os.environ["BEHAVIOUR"]
if behaviour == "crash":
    print("\\033[31mFATAL\\033[0m cannot reach postgresql://app:s3cret@db/notes and token-1234", flush=True)
    sys.exit(3)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(500 if behaviour == "sick" else 200)
        self.end_headers()
    def log_message(self, *_):
        pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""
CHECK = "import urllib.request as u; u.urlopen('http://127.0.0.1:8080', timeout=2)"
NUMBERS = count(1)


@dataclass(frozen=True)
class Sandbox:
    """AWS and a registry with one image per behaviour."""

    client: "ECSClient"
    logs: "CloudWatchLogsClient"
    images: dict[str, str]
    """Image reference of each behaviour."""


@dataclass
class Api:
    """A service of one's own that runs the good image, and what was told about it."""

    sandbox: Sandbox
    ecs: EcsService
    told: list[str] = field(default_factory=list)

    def begin(self, behaviour: str, promotion: str = "p-1") -> Rollout:
        """Register and update, as a promotion does."""
        before = self.ecs.check().task_definition
        after = self.ecs.register(self.request(before, behaviour, promotion), promotion)
        return Rollout(before, after, deployment=self.ecs.update(after))

    def request(self, before: str, behaviour: str, promotion: str) -> Any:
        """Return the request for the definition with the image of `behaviour`."""
        return task_definitions.request(
            self.ecs.definition(before),
            container="api",
            image=self.sandbox.images[behaviour],
            promotion=promotion,
            allowed=task_definitions.fields(self.ecs.client),
        )

    def follow(self, rollout: Rollout, timeout: float = TIMEOUT) -> Rollout:
        """Follow a rollout, with one secret to hide."""
        return rollouts.follow(self.ecs, rollout, timeout=timeout, notice=self.told.append, secrets=["token-1234"])

    def roll_back(self, rollout: Rollout, timeout: float = TIMEOUT) -> Rollout:
        """Go the way back."""
        return rollouts.roll_back(self.ecs, rollout, timeout=timeout, notice=self.told.append)

    def assert_is_at(self, definition: str, other: str) -> None:
        """Assert that the service runs `definition`, complete, and that no task of `other` is left."""
        primary = self.ecs.describe().primary
        assert primary is not None
        assert (primary.task_definition, primary.rollout_state) == (definition, "COMPLETED")
        assert self.ecs.fleet(definition) is None
        assert self.ecs.tasks(other) == ()


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """Start AWS and a registry."""
    images = registry.start(tmp_path_factory.mktemp("registry"))
    running = aws.start(tmp_path_factory.mktemp("aws"), time_scale=0.02)
    session = boto3.Session("sandbox", "sandbox", region_name=REGION)
    ecs = session.client("ecs", endpoint_url=running.endpoint_url)
    logs = session.client("logs", endpoint_url=running.endpoint_url)
    references = {behaviour: push(images.host, behaviour) for behaviour in ("good", "better", "crash", "sick")}
    references["gone"] = f"{images.host}/team/api:gone@sha256:" + "0" * 64
    yield Sandbox(ecs, logs, references)
    running.stop()
    images.stop()


@pytest.fixture
def make_api(sandbox: Sandbox) -> Iterator[Callable[..., Api]]:
    """Return a maker of services, which are deleted after the test."""
    made: list[Api] = []

    def make(behaviour: str = "good", **changes: Any) -> Api:
        made.append(create(sandbox, behaviour, **changes))
        return made[-1]

    yield make
    for one in made:
        with suppress(sandbox.client.exceptions.ServiceNotFoundException):
            sandbox.client.delete_service(cluster=one.ecs.environment.cluster, service="svc-api", force=True)


@pytest.fixture
def api(make_api: Callable[..., Api]) -> Api:
    """Return a service that runs two good tasks."""
    made = make_api()
    primary = made.ecs.describe().primary
    assert primary is not None
    made.follow(Rollout("", primary.task_definition, primary.id))
    made.told.clear()
    return made


@pytest.fixture
def answer_instead(sandbox: Sandbox) -> Iterator[Callable[..., None]]:
    """Return a function that lets the next calls of an operation end with an error code, before they reach ECS."""
    events, registered = sandbox.client.meta.events, []

    def answer(operation: str, code: str, times: int = 1000) -> None:
        left = iter(range(times))

        def refuse(**_: object) -> Any:
            if next(left, None) is None:
                return None
            parsed = {"Error": {"Code": code, "Message": "not now"}, "ResponseMetadata": {"HTTPStatusCode": 400}}
            return AWSResponse("", 400, HTTPHeaders(), None), parsed

        name = f"before-call.ecs.{operation}"
        events.register(name, refuse)
        registered.append((name, refuse))

    yield answer
    for name, refuse in registered:
        events.unregister(name, refuse)


def create(sandbox: Sandbox, behaviour: str, **changes: Any) -> Api:
    """Create a service in a cluster of its own."""
    number = next(NUMBERS)
    environment = Environment(
        region=REGION,
        cluster=f"ecs-{number}",
        service="svc-api",
        family=f"tsk-{number}",
        container="api",
        secret="none",
        health_url="http://127.0.0.1/health",
    )
    sandbox.client.create_cluster(clusterName=environment.cluster)
    definition = sandbox.client.register_task_definition(
        family=environment.family,
        requiresCompatibilities=["FARGATE"],
        networkMode="awsvpc",
        cpu="256",
        memory="512",
        runtimePlatform={"cpuArchitecture": "X86_64", "operatingSystemFamily": "LINUX"},
        containerDefinitions=[container(sandbox.images[behaviour])],
        tags=[{"key": "team", "value": "api"}],
    )["taskDefinition"]["taskDefinitionArn"]
    breaker = {"enable": True, "rollback": True}
    sandbox.client.create_service(
        **{
            "cluster": environment.cluster,
            "serviceName": environment.service,
            "taskDefinition": definition,
            "desiredCount": 2,
            "launchType": "FARGATE",
            "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-1"]}},
            "deploymentConfiguration": {"deploymentCircuitBreaker": breaker},
            **changes,
        }
    )
    return Api(sandbox, EcsService(sandbox.client, sandbox.logs, environment))


def container(image: str) -> Any:
    """Return the definition of the one container."""
    return {
        "name": "api",
        "image": image,
        "essential": True,
        "portMappings": [{"containerPort": 8080}],
        "healthCheck": {"command": ["CMD-SHELL", f'python3 -c "{CHECK}"'], "interval": 5, "timeout": 3, "retries": 2},
        "logConfiguration": {
            "logDriver": "awslogs",
            "options": {
                "awslogs-group": "/ecs/api",
                "awslogs-region": REGION,
                "awslogs-stream-prefix": "ecs",
                "awslogs-create-group": "true",
            },
        },
    }


def push(host: str, behaviour: str) -> str:
    """Push an image that behaves so and return its reference."""
    tarball = io.BytesIO()
    with tarfile.open(fileobj=tarball, mode="w") as tar:
        entry = tarfile.TarInfo("app/app.py")
        entry.size = len(APP.encode())
        tar.addfile(entry, io.BytesIO(APP.encode()))
    layer = gzip.compress(tarball.getvalue(), mtime=0)
    config = oci.encode(
        {
            "os": "linux",
            "architecture": "amd64",
            "config": {"Cmd": ["python3", "app.py"], "WorkingDir": "/app", "Env": [f"BEHAVIOUR={behaviour}"]},
            "rootfs": {"type": "layers", "diff_ids": [oci.digest_of(tarball.getvalue())]},
        }
    )
    manifest = {
        "schemaVersion": 2,
        "mediaType": oci.MANIFEST,
        "config": oci.descriptor(oci.CONFIG, config),
        "layers": [oci.descriptor(oci.LAYER, layer)],
    }
    with Registry(f"{host}/team/api", insecure=True) as repository:
        repository.push_blob(layer)
        repository.push_blob(config)
        digest = repository.put_manifest(behaviour, oci.encode(manifest), oci.MANIFEST)
    return f"{host}/team/api:{behaviour}@{digest}"
