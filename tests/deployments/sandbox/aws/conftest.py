"""One AWS of the sandbox per worker, a registry beside it, and a small service to run there."""

import json
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.model import OperationModel, Shape

from deployments.sandbox import registry
from deployments.sandbox.aws import client, tiny_image

REGION = "us-east-2"
SESSION = boto3.Session()
PROGRAM = """
import http.server, os, sys
fault = os.environ.get("FAULT")
print("starting", os.environ["VERSION"], flush=True)
if fault == "crash":
    sys.exit(3)
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        answer = os.environ.get(self.path[5:], "none") if self.path.startswith("/env/") else os.environ["VERSION"]
        self.send_response(500 if fault == "sick" else 200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer.encode())
    def log_message(self, *_):
        pass
class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128
Server(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""
HEALTH = {
    "command": [
        "CMD-SHELL",
        "python3 -c \"import os,urllib.request as u;u.urlopen('http://127.0.0.1:'+os.environ['PORT'],timeout=2)\"",
    ],
    "interval": 5,
    "timeout": 5,
    "retries": 2,
}
TYPES: dict[str, type | tuple[type, ...]] = {
    "structure": dict,
    "map": dict,
    "list": list,
    "string": str,
    "boolean": bool,
    "integer": int,
    "long": int,
    "float": (int, float),
    "double": (int, float),
    "timestamp": (int, float),
    "known member": (),
}
UNKNOWN = Shape("Unknown", {"type": "known member"})
NETWORK: Any = {"awsvpcConfiguration": {"subnets": ["subnet-1"]}}
BREAKER = {"deploymentCircuitBreaker": {"enable": True, "rollback": True}}


@dataclass
class Bench:
    """Clients of the sandbox, and the few steps that tests share."""

    endpoint_url: str
    host: str
    """Of the registry."""
    clients: dict[str, Any] = field(default_factory=dict)
    answered: dict[str, int] = field(default_factory=dict)
    """How many answers of each operation were held against the model."""
    cluster: str = field(default_factory=lambda: f"c-{uuid.uuid4().hex[:8]}")
    network: Any = field(default_factory=lambda: NETWORK)
    """Where a task may run."""

    def client(self, name: str) -> Any:
        """Return the boto3 client of a service."""
        if name not in self.clients:
            keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
            where = {"endpoint_url": self.endpoint_url, "region_name": REGION}
            self.clients[name] = SESSION.client(name, **where, **keys)  # type: ignore[call-overload]
            self.clients[name].meta.events.register("before-parse.ecs", self._check)
        return self.clients[name]

    def image(self, version: str, fault: str = "") -> str:
        """Push the small service in this version, and return its pinned reference."""
        config = {
            "Env": ["PATH=/usr/bin:/bin", f"VERSION={version}", f"FAULT={fault}", "PYTHONPATH=/app"],
            "WorkingDir": "/app",
            "Cmd": ["python", "app.py"],
        }
        return tiny_image.push(f"{self.host}/tiny", version, {"app/app.py": PROGRAM.encode()}, config)

    def register(self, image: str, family: str = "app", **container: Any) -> str:
        """Register a task definition with one container `web` and return its ARN."""
        definition = {
            "name": "web",
            "image": image,
            "healthCheck": HEALTH,
            "portMappings": [{"containerPort": 8080}],
            **container,
        }
        answer = self.client("ecs").register_task_definition(
            family=family, networkMode="awsvpc", cpu="256", memory="512", containerDefinitions=[definition]
        )
        return str(answer["taskDefinition"]["taskDefinitionArn"])

    def create(self, definition: str, name: str = "svc", **settings: Any) -> Any:
        """Create the cluster and a service in it."""
        ecs = self.client("ecs")
        ecs.create_cluster(clusterName=self.cluster)
        settings = {"desiredCount": 1, "deploymentConfiguration": BREAKER, **settings}
        return ecs.create_service(cluster=self.cluster, serviceName=name, taskDefinition=definition, **settings)[
            "service"
        ]

    def update(self, name: str = "svc", **changes: Any) -> Any:
        """Update the service."""
        return self.client("ecs").update_service(cluster=self.cluster, service=name, **changes)["service"]

    def service(self, name: str = "svc") -> Any:
        """Describe the service."""
        return self.client("ecs").describe_services(cluster=self.cluster, services=[name])["services"][0]

    def settled(self, name: str = "svc") -> Any:
        """Wait until the service has one deployment that is COMPLETED or FAILED, and describe it."""
        return self.until(lambda: self._settled(self.service(name)))

    def tasks(self, status: str = "RUNNING") -> list[Any]:
        """Describe the tasks of the cluster."""
        ecs = self.client("ecs")
        arns = ecs.list_tasks(cluster=self.cluster, desiredStatus=status)["taskArns"]
        return list(ecs.describe_tasks(cluster=self.cluster, tasks=arns)["tasks"]) if arns else []

    def run(self, definition: str, **settings: Any) -> Any:
        """Run one task to its end and describe it."""
        ecs = self.client("ecs")
        ecs.create_cluster(clusterName=self.cluster)
        settings = {"networkConfiguration": NETWORK, **settings}
        arn = ecs.run_task(cluster=self.cluster, taskDefinition=definition, **settings)["tasks"][0]["taskArn"]
        return self.ended(arn)

    def ended(self, arn: str) -> Any:
        """Wait until the task is STOPPED and describe it."""
        ecs = self.client("ecs")

        def stopped() -> Any:
            task = ecs.describe_tasks(cluster=self.cluster, tasks=[arn])["tasks"][0]
            return task if task["lastStatus"] == "STOPPED" else None

        return self.until(stopped)

    def balanced(self) -> tuple[str, int]:
        """Make a target group and a listener that forwards to it; return the group's ARN and the port."""
        elb, ec2 = self.client("elbv2"), self.client("ec2")
        subnets = ec2.describe_subnets()["Subnets"]
        group = elb.create_target_group(
            Name=f"tg-{uuid.uuid4().hex[:8]}",
            Protocol="HTTP",
            Port=8080,
            VpcId=subnets[0]["VpcId"],
            TargetType="ip",
            HealthCheckPath="/",
            HealthCheckIntervalSeconds=5,
        )["TargetGroups"][0]["TargetGroupArn"]
        balancer = elb.create_load_balancer(
            Name=f"lb-{uuid.uuid4().hex[:8]}", Subnets=[s["SubnetId"] for s in subnets[:2]]
        )
        port = free_port()
        elb.create_listener(
            LoadBalancerArn=balancer["LoadBalancers"][0]["LoadBalancerArn"],
            Protocol="HTTP",
            Port=port,
            DefaultActions=[{"Type": "forward", "TargetGroupArn": group}],
        )
        return str(group), port

    @staticmethod
    def until(condition: Callable[[], Any], limit: float = 60) -> Any:
        """Wait until `condition` returns something, and return it."""
        end = time.monotonic() + limit
        while time.monotonic() < end:
            found = condition()
            if found:
                return found
            time.sleep(0.05)
        pytest.fail(f"not within {limit} s")

    def _check(self, operation_model: OperationModel, response_dict: dict[str, Any], **_: Any) -> None:
        """Hold one answer against botocore's model of ECS."""
        found = json.loads(response_dict["body"])
        if response_dict["status_code"] >= 400:
            known = {shape.name for shape in operation_model.error_shapes}
            wrong = [] if found["__type"] in known else [f"{found} is no error of {operation_model.name}"]
        else:
            wrong = misfits(found, operation_model.output_shape, operation_model.name)
        self.answered[operation_model.name] = self.answered.get(operation_model.name, 0) + 1
        assert wrong == []

    @staticmethod
    def _settled(service: Any) -> Any:
        states = [one["rolloutState"] for one in service["deployments"]]
        return service if len(states) == 1 and states[0] != "IN_PROGRESS" else None


def misfits(value: Any, shape: Any, path: str) -> list[str]:
    """Return where `value` does not fit `shape`: unknown members, wrong types, values that are not in an enumeration."""
    if shape is None:
        return [] if value == {} else [f"{path}: no answer was expected"]
    if not _is(value, shape.type_name):
        return [f"{path}: {value!r} is no {shape.type_name}"]
    if getattr(shape, "enum", None) and value not in shape.enum:
        return [f"{path}: {value!r} is none of {shape.enum}"]
    return [one for part, kind, name in _parts(value, shape) for one in misfits(part, kind, f"{path}{name}")]


def _parts(value: Any, shape: Any) -> Iterator[tuple[Any, Any, str]]:
    """Return what `value` is made of, each part with its shape; an unknown member has one that nothing fits."""
    if shape.type_name == "structure":
        yield from ((part, shape.members.get(name, UNKNOWN), f".{name}") for name, part in value.items())
    elif shape.type_name == "list":
        yield from ((part, shape.member, "[]") for part in value)
    elif shape.type_name == "map":
        yield from ((part, shape.value, f".{name}") for name, part in value.items())


def _is(value: Any, kind: str) -> bool:
    return isinstance(value, TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def registry_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`127.0.0.1:PORT` of an open registry."""
    running = registry.start(tmp_path_factory.mktemp("registry"))
    yield running.host
    running.stop()


@pytest.fixture(scope="session")
def aws_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the AWS of this worker keeps everything."""
    return tmp_path_factory.mktemp("aws")


@pytest.fixture(scope="session")
def aws(aws_folder: Path) -> Iterator[client.Running]:
    """Start the AWS of this worker."""
    running = client.start(aws_folder, time_scale=0.04)
    yield running
    running.stop()


@pytest.fixture
def bench(aws: client.Running, registry_host: str) -> Iterator[Bench]:
    """Clients, and a cluster of the test's own that is emptied after it."""
    bench = Bench(aws.endpoint_url, registry_host)
    yield bench
    ecs = bench.client("ecs")
    if [one for one in ecs.describe_clusters(clusters=[bench.cluster])["clusters"] if one["status"] == "ACTIVE"]:
        for arn in ecs.list_services(cluster=bench.cluster)["serviceArns"]:
            ecs.delete_service(cluster=bench.cluster, service=arn, force=True)
        for arn in ecs.list_tasks(cluster=bench.cluster)["taskArns"]:
            ecs.stop_task(cluster=bench.cluster, task=arn)
