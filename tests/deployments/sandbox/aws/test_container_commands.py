"""The commands that run a task as a container; tests/stories/engine runs them."""

from pathlib import Path

from deployments.sandbox.aws.containers import container_name, hidden, run_argv
from deployments.sandbox.aws.runtime import ContainerSpec

DIGEST = f"sha256:{'a' * 64}"
SPEC = ContainerSpec(
    task="4f2a",
    name="api",
    image="127.0.0.1:5000/owner/api:v1.0.5@" + DIGEST,
    folder=Path("/tasks/4f2a/api"),
    environment={},
    entry_point=("python", "-m"),
    command=("app", "--quiet"),
    working_directory="/app",
    user="10001",
)


def test_the_command_pins_the_image_and_hides_the_values() -> None:
    """Values travel in the client's environment, except those that the client would obey itself."""
    environment = {"POSTGRES_PASSWORD": "hunter2", "PATH": "/app/bin", "PORT": "8080"}

    argv = run_argv(SPEC, name="promoter-4f2a-api", label="promoter.sandbox=/x", digest=DIGEST, environment=environment)

    assert argv == [
        *("docker", "run", "--rm", "--init", "--network", "host", "--pull", "never"),
        *("--name", "promoter-4f2a-api", "--label", "promoter.sandbox=/x"),
        *("--env", "POSTGRES_PASSWORD", "--env", "PATH=/app/bin", "--env", "PORT"),
        *("--user", "10001", "--workdir", "/app", "--entrypoint", "python"),
        f"127.0.0.1:5000/owner/api@{DIGEST}",
        *("-m", "app", "--quiet"),
    ]


def test_the_client_keeps_its_own_environment() -> None:
    """A container's proxy or engine is not the client's."""
    obeyed = {"DOCKER_HOST": "x", "https_proxy": "x", "HTTPS_PROXY": "x", "HOME": "x", "LD_PRELOAD": "x"}

    assert hidden({**obeyed, "DATABASE_URL": "y", "SSL_KEY": "y"}) == {"DATABASE_URL": "y", "SSL_KEY": "y"}


def test_a_name_is_made_of_what_docker_allows() -> None:
    """Whatever a container is called in its task definition."""
    spec = ContainerSpec(task="4f2a", name="a b/ü", image="x", folder=Path(), environment={})

    assert container_name(spec) == "promoter-4f2a-a-b--"
