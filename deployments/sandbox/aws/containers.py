"""Runs containers as containers, on a Docker engine of this machine, where one is asked for.

They share the machine's network, for the sandbox's database and registry are on loopback; `PORT` tells each where to listen.
"""

import contextlib
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import SecretStr

from deployments.sandbox.aws import processes
from deployments.sandbox.aws.images import UnpackedImage, parse
from deployments.sandbox.aws.process_runtime import RECORD, RunningProcess, free_port, health_command
from deployments.sandbox.aws.refusals import StartError
from deployments.sandbox.aws.runtime import ContainerSpec, Running
from promoter import shell
from promoter.errors import CommandError
from promoter.images import Login, docker_login
from promoter.registry import split

LABEL = "promoter.sandbox"
PULLED = re.compile(r"^Digest: (sha256:[0-9a-f]{64})$", re.MULTILINE)
CLIENT = re.compile(
    r"PATH|HOME|TMPDIR|GODEBUG|(?:DOCKER|BUILDX|LD)_\w+|SSL_CERT_(?:FILE|DIR)|SSH_AUTH_SOCK|(?i:(?:https?|all|no)_proxy)"
)
"""Variables that the docker client itself obeys; a container's own of these names are given to it as arguments."""


class ContainerRuntime:
    """Starts each container with `docker run`, attached, so that its output and exit code are those of the client."""

    def __init__(self, folder: Path, *, username: str | None = None, password: SecretStr | None = None) -> None:
        self._tasks = folder.resolve() / "tasks"
        self._login = Login(username, password) if username and password else None

    def start(self, spec: ContainerSpec) -> Running:
        """Pull the image and start the container; raise StartError."""
        digest = self._pull(spec.image)
        port = free_port()
        name = container_name(spec)
        environment = {**spec.environment, "PORT": str(port)}
        try:
            client = processes.start(
                run_argv(spec, name=name, label=self._label, digest=digest, environment=environment),
                cwd=spec.folder,
                env={**os.environ, **hidden(environment)},
                output=spec.folder / "output.log",
                record=spec.folder / RECORD,
            )
        except OSError as error:
            raise StartError(f"CannotStartContainerError: failed to start {spec.name}: {error!r}") from error
        return _RunningContainer(client, spec, name, digest, port)

    def sweep(self) -> None:
        """Remove the containers of an earlier sandbox in the same folder, and end their clients."""
        processes.sweep(self._tasks.glob(f"*/*/{RECORD}"))
        left = shell.run(["docker", "ps", "--all", "--quiet", "--filter", f"label={self._label}"]).stdout.split()
        if left:
            shell.run(["docker", "rm", "--force", *left])

    @property
    def _label(self) -> str:
        return f"{LABEL}={self._tasks}"

    def _pull(self, reference: str) -> str:
        """Pull the image, and return the digest that it has in its registry."""
        try:
            with docker_login.lend(split(parse(reference).repository)[0], self._login) as environment:
                said = shell.run(["docker", "pull", reference], env=environment).stdout
        except CommandError as error:
            raise StartError(f"CannotPullContainerError: {error.message.splitlines()[-1].strip()}") from error
        return str(PULLED.findall(said)[-1])


class _RunningContainer(RunningProcess):
    """A container, seen through the client that is attached to it: signals go through, and so does the exit code."""

    def __init__(self, client: processes.Process, spec: ContainerSpec, name: str, digest: str, port: int) -> None:
        self._own = UnpackedImage(Path("/"), digest, {})  # paths inside a container need no moving
        super().__init__(client, spec, self._own, {}, port)
        self._name = name

    def kill(self) -> None:
        super().kill()
        with contextlib.suppress(CommandError):  # most often it is gone already
            shell.run(["docker", "rm", "--force", self._name])

    def run_health_command(self, timeout: float) -> bool:
        argv = health_command(self._spec, self._own, self.port)
        try:
            return shell.run(["docker", "exec", self._name, *argv], timeout=timeout, check=False).code == 0
        except CommandError:
            return False


def run_argv(spec: ContainerSpec, *, name: str, label: str, digest: str, environment: Mapping[str, str]) -> list[str]:
    """Return the command that runs the container; a variable's value is in it only where the client would obey it."""
    quiet = hidden(environment)
    variables = [key if key in quiet else f"{key}={value}" for key, value in environment.items()]
    return [
        *("docker", "run", "--rm", "--init", "--network", "host", "--pull", "never"),
        *("--name", name, "--label", label),
        *(part for variable in variables for part in ("--env", variable)),
        *(("--user", spec.user) if spec.user else ()),
        *(("--workdir", spec.working_directory) if spec.working_directory else ()),
        *(("--entrypoint", spec.entry_point[0] if spec.entry_point else "") if spec.entry_point is not None else ()),
        f"{parse(spec.image).repository}@{digest}",
        *arguments(spec.entry_point, spec.command),
    ]


def hidden(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that reach the container through the client's environment, unseen by other users."""
    return {name: value for name, value in environment.items() if not CLIENT.fullmatch(name)}


def arguments(entry_point: Sequence[str] | None, command: Sequence[str] | None) -> tuple[str, ...]:
    """Return what follows the image: docker's entry point is one word, so its further words come first."""
    return (*(entry_point or ())[1:], *(command or ()))


def container_name(spec: ContainerSpec) -> str:
    """Return a name that tells a person what runs."""
    return re.sub(r"[^A-Za-z0-9_.-]", "-", f"promoter-{spec.task}-{spec.name}")
