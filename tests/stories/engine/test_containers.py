"""Tasks of the sandbox as containers of a real engine."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from deployments.sandbox.aws.containers import ContainerRuntime
from deployments.sandbox.aws.refusals import StartError
from deployments.sandbox.aws.runtime import ContainerSpec, Running
from promoter import shell
from promoter.config import ImageRule
from promoter.images import BuildPlan
from promoter.images.buildx import BuildxBuilder
from promoter.records import Image

pytestmark = [pytest.mark.engine, pytest.mark.xdist_group("engine")]

PATIENCE = 20.0


@pytest.fixture
def image(rule: ImageRule, make_plan: Callable[..., BuildPlan]) -> Image:
    """Return the small service as an image in the registry."""
    plan, builder = make_plan(platforms=("linux/amd64",)), BuildxBuilder(rule)
    return builder.push(plan, builder.build(plan))


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[ContainerRuntime]:
    """Return the runtime of a sandbox; at the end nothing of it is left."""
    runtime = ContainerRuntime(tmp_path / "aws")
    yield runtime
    runtime.sweep()


@pytest.fixture
def make_spec(image: Image, tmp_path: Path) -> Callable[..., ContainerSpec]:
    """Return a maker of container descriptions; keywords replace their parts."""

    def make(**changes: object) -> ContainerSpec:
        folder = tmp_path / "aws" / "tasks" / "task" / "api"
        folder.mkdir(parents=True, exist_ok=True)
        parts = {"task": tmp_path.name, "name": "api", "image": image.reference, "folder": folder, "environment": {}}
        return ContainerSpec(**{**parts, **changes})  # type: ignore[arg-type]

    return make


def test_a_task_is_a_container(
    runtime: ContainerRuntime, make_spec: Callable[..., ContainerSpec], image: Image
) -> None:
    """The pinned image runs as its own user, answers on its port, and ends when it is asked to."""
    spec = make_spec(container_port=8080, health_command=("CMD", "python", "-c", CONNECT))

    running = runtime.start(spec)
    answer = _health(running)
    healthy = running.run_health_command(timeout=PATIENCE)
    running.stop()
    code, _ = _end(running)

    assert (answer["status"], answer["version"], answer["user"]) == ("ok", "v1.0.5", 10001)
    assert (running.digest, healthy, code) == (image.digest, True, 143)


CONNECT = "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080')"


def test_the_definition_replaces_what_the_image_runs(
    runtime: ContainerRuntime, make_spec: Callable[..., ContainerSpec]
) -> None:
    """Entry point, command, variables, folder and user are those of the task definition; so are output and exit code."""
    script = "import os; print(os.environ['SECRET'], os.environ['PATH'], os.getcwd(), os.getuid()); raise SystemExit(7)"

    running = runtime.start(
        make_spec(
            entry_point=("python", "-c"),
            command=(script,),
            environment={"SECRET": "two\nlines", "PATH": "/usr/bin:/bin:/usr/local/bin"},
            working_directory="/tmp",
            user="12345",
        )
    )
    ended = _end(running)

    assert ended == (7, ["two", "lines /usr/bin:/bin:/usr/local/bin /tmp 12345"])


def test_no_secret_is_an_argument(runtime: ContainerRuntime, make_spec: Callable[..., ContainerSpec]) -> None:
    """Whoever lists the machine's processes sees the names of the variables only."""
    running = runtime.start(make_spec(environment={"POSTGRES_PASSWORD": "hunter2"}))
    _health(running)

    listed = shell.run(["ps", "-eo", "args", "ww"]).stdout
    running.kill()
    _end(running)

    assert "--env POSTGRES_PASSWORD" in listed
    assert "hunter2" not in listed


def test_a_killed_container_is_gone(runtime: ContainerRuntime, make_spec: Callable[..., ContainerSpec]) -> None:
    """One that does not listen to SIGTERM ends all the same, and nothing is left of it."""
    script = "import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
    running = runtime.start(make_spec(entry_point=("python",), command=("-c", script)))
    _wait(lambda: running.read() == ["deaf"])

    running.stop()
    still = running.poll()
    running.kill()

    assert (still, _end(running), _containers(runtime)) == (None, (137, []), [])


def test_a_new_sandbox_sweeps_what_a_killed_one_left(
    runtime: ContainerRuntime, make_spec: Callable[..., ContainerSpec], tmp_path: Path
) -> None:
    """Containers of the same folder end, those of another sandbox do not."""
    running = runtime.start(make_spec())
    _health(running)

    ContainerRuntime(tmp_path / "other").sweep()
    others = _containers(runtime)
    ContainerRuntime(tmp_path / "aws").sweep()

    assert (len(others), _containers(runtime)) == (1, [])
    assert _end(running)[0] != 0


def test_an_image_that_is_not_there_is_told_in_the_words_of_ecs(
    runtime: ContainerRuntime, make_spec: Callable[..., ContainerSpec], image: Image
) -> None:
    """The stopped reason names what could not be pulled."""
    absent = f"{image.repository}@sha256:{'0' * 64}"

    with pytest.raises(StartError, match=f"^CannotPullContainerError: .*{'0' * 64}"):
        runtime.start(make_spec(image=absent))


def _health(running: Running) -> dict[str, object]:
    def answers() -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{running.port}/health").is_success
        except httpx.TransportError:
            assert running.poll() is None, running.read()
            return False

    _wait(answers)
    found: dict[str, object] = json.loads(httpx.get(f"http://127.0.0.1:{running.port}/health").text)
    return found


def _end(running: Running) -> tuple[int | None, list[str]]:
    """Return the exit code and what was written last."""
    _wait(lambda: running.poll() is not None)
    return running.poll(), running.read()


def _containers(runtime: ContainerRuntime) -> list[str]:
    return shell.run(["docker", "ps", "--all", "--quiet", "--filter", f"label={runtime._label}"]).stdout.split()


def _wait(reached: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE
    while not reached():
        assert time.monotonic() < until
        time.sleep(0.05)
