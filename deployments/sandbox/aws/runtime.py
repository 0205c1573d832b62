"""The seam to whatever runs a container: a process of this machine, or a container engine."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class ContainerSpec:
    """Everything that is needed to start one container."""

    task: str
    """The task's id."""
    name: str
    image: str
    """The image reference as it stands in the task definition."""
    folder: Path
    """A folder of its own, which exists, for output and scratch files."""
    environment: Mapping[str, str]
    """The variables of the task definition, overrides and secrets merged in; the image's own are not among them."""
    entry_point: tuple[str, ...] | None = None
    """Replaces the image's Entrypoint, and clears its Cmd."""
    command: tuple[str, ...] | None = None
    """Replaces the image's Cmd."""
    working_directory: str | None = None
    user: str | None = None
    container_port: int | None = None
    """The first port mapping of the definition."""
    health_command: tuple[str, ...] | None = None
    """The definition's health check, beginning with CMD or CMD-SHELL."""


class Running(Protocol):
    """A container that was started."""

    @property
    def port(self) -> int:
        """The port on 127.0.0.1 where the container can be reached."""

    @property
    def digest(self) -> str:
        """`sha256:…` of the image that was pulled."""

    def poll(self) -> int | None:
        """Return the exit code, 128 + signal if one ended it, or None while it runs."""

    def stop(self) -> None:
        """Ask it to end (SIGTERM)."""

    def kill(self) -> None:
        """End it and everything it started, and return when it is gone."""

    def read(self) -> list[str]:
        """Return the lines that it has written since the last call; after its end also an unfinished one."""

    def run_health_command(self, timeout: float) -> bool:
        """Run the health check, for at most `timeout` seconds; return whether it ended with exit code 0."""


class Runtime(Protocol):
    """Starts containers."""

    def start(self, spec: ContainerSpec) -> Running:
        """Pull the image and start the container.

        Takes as long as it takes; it is called without any lock. Raises `refusals.StartError` with the reason as ECS words it
        (`CannotPullContainerError: …`, `CannotStartContainerError: …`).
        """

    def sweep(self) -> None:
        """End whatever a sandbox that was killed left behind in the same folder."""
