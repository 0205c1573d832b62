"""A client that nobody here wrote, `ecs-deploy` from PyPI, deploys and rolls back on the sandbox."""

import hashlib
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from uv import find_uv_bin

LOCK = Path(__file__).with_name("clients.lock")

pytestmark = pytest.mark.xdist_group("ecs-deploy")


@pytest.fixture(scope="module")
def ecs_deploy(request: pytest.FixtureRequest) -> Path:
    """Install the locked client into an environment of its own, kept in pytest's cache, and return its command."""
    digest = hashlib.sha256(LOCK.read_bytes()).hexdigest()[:16]
    home = Path(request.config.cache.mkdir("clients")) / digest
    if not home.is_dir():
        half = home.with_name(f"{digest}-{os.getpid()}")
        uv = find_uv_bin()
        subprocess.run([uv, "venv", "--quiet", "--relocatable", half], check=True)
        environment = {**os.environ, "VIRTUAL_ENV": str(half)}
        subprocess.run([uv, "pip", "sync", "--quiet", "--require-hashes", LOCK], check=True, env=environment)
        half.rename(home)
    return home / "bin" / "ecs"


def run(command: Path, bench: Any, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run `ecs deploy` on the service of `bench`."""
    environment = {
        "PATH": os.environ["PATH"],
        "AWS_ENDPOINT_URL": bench.endpoint_url,
        "AWS_DEFAULT_REGION": "us-east-2",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    argv = [command, "deploy", bench.cluster, "svc", *arguments]
    return subprocess.run(argv, env=environment, capture_output=True, text=True, check=False, timeout=120)


def test_it_deploys(bench: Any, ecs_deploy: Path) -> None:
    """A new image goes out, and the client sees it arrive."""
    bench.create(bench.register(bench.image("v1")))
    bench.settled()
    image = bench.image("v2")

    done = run(ecs_deploy, bench, "--image", "web", image, "--timeout", "60")

    assert (done.returncode, "Deployment successful" in done.stdout) == (0, True), done.stdout
    assert [task["containers"][0]["image"] for task in bench.tasks()] == [image]


def test_it_rolls_back(bench: Any, ecs_deploy: Path) -> None:
    """Where no circuit breaker is on, it gives a sick release up itself and goes back."""
    first = bench.register(bench.image("v1"))
    bench.create(first, deploymentConfiguration={})
    bench.settled()
    image = bench.image("v2", "sick")

    done = run(ecs_deploy, bench, "--image", "web", image, "--timeout", "5", "--rollback", "--no-deregister")

    assert (done.returncode, "Rolling back to task definition" in done.stdout) == (1, True), done.stdout
    bench.settled()
    bench.until(lambda: len(bench.tasks()) == 1)
    assert [task["taskDefinitionArn"] for task in bench.tasks()] == [first]
