"""Runs containers as processes of this machine: the unpacked image is their only luxury, not their root."""

import contextlib
import os
import re
import secrets
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

from deployments.sandbox.aws import processes
from deployments.sandbox.aws.images import ImageStore, UnpackedImage
from deployments.sandbox.aws.refusals import StartError
from deployments.sandbox.aws.runtime import ContainerSpec, Running

RECORD = "process.pid"
PORTS = range(20000, 32000)
LINE_LIMIT = 256 * 1024
"""Bytes of one event in CloudWatch Logs; a longer line is cut there."""


class ProcessRuntime:
    """Starts each container as a process group, with the image's folders in place of a root file system."""

    def __init__(self, images: ImageStore, tasks: Path, *, python: Path | None = None) -> None:
        self._images = images
        self._tasks = tasks
        self._python = python or Path(sys.base_prefix) / "bin" / "python3"
        """The Python of an image that has none of its own."""

    def start(self, spec: ContainerSpec) -> Running:
        """Pull the image and start the process; raise StartError."""
        image = self._images.pull(spec.image)
        port = free_port()
        environment = variables(spec, image, port, self._interpreter(spec.folder))
        argv = command(spec, image)
        try:
            process = processes.start(
                argv,
                cwd=working_directory(spec, image),
                env=environment,
                output=spec.folder / "output.log",
                record=spec.folder / RECORD,
            )
        except (OSError, IndexError) as error:
            raise StartError(f"CannotStartContainerError: failed to start {spec.name}: {error!r}") from error
        return RunningProcess(process, spec, image, environment, port)

    def sweep(self) -> None:
        """End the processes of an earlier sandbox in the same folder."""
        processes.sweep(self._tasks.glob(f"*/*/{RECORD}"))

    def _interpreter(self, folder: Path) -> Path:
        """Return a folder for the end of PATH where `python` and `python3` are, and nothing else."""
        names = folder / "python"
        names.mkdir(exist_ok=True)
        for name in ("python", "python3"):
            with contextlib.suppress(FileExistsError):
                (names / name).symlink_to(self._python)
        return names


class RunningProcess:
    """A container that is a process of this machine."""

    def __init__(
        self,
        process: processes.Process,
        spec: ContainerSpec,
        image: UnpackedImage,
        environment: Mapping[str, str],
        port: int,
    ) -> None:
        self._process = process
        self._spec = spec
        self._image = image
        self._environment = environment
        self.port = port
        self.digest = image.digest
        self._output = (spec.folder / "output.log").open("rb")
        self._rest = b""

    def poll(self) -> int | None:
        """Return the exit code, 128 + signal if one ended it, or None while it runs."""
        code = self._process.poll()
        return code if code is None or code >= 0 else 128 - code

    def stop(self) -> None:
        """Ask it to end."""
        self._process.terminate()

    def kill(self) -> None:
        """End it and everything it started."""
        self._process.kill()

    def read(self) -> list[str]:
        """Return the lines that it has written since the last call."""
        if self._output.closed:
            return []
        ended = self._process.poll() is not None
        *lines, self._rest = (self._rest + self._output.read()).split(b"\n")
        if ended:
            self._output.close()
        if self._rest and (ended or len(self._rest) > LINE_LIMIT):
            lines, self._rest = [*lines, self._rest], b""
        return [line[:LINE_LIMIT].decode(errors="replace") for line in lines]

    def run_health_command(self, timeout: float) -> bool:
        """Run the health check and return whether it passed."""
        argv = health_command(self._spec, self._image, self.port)
        folder = working_directory(self._spec, self._image)
        return processes.succeeds(argv, cwd=folder, env=self._environment, timeout=timeout)


def command(spec: ContainerSpec, image: UnpackedImage) -> list[str]:
    """Return what to run: Entrypoint and Cmd of the image, or what the task definition says in their place."""
    entry_point = spec.entry_point if spec.entry_point is not None else tuple(image.config.get("Entrypoint") or ())
    own = () if spec.entry_point is not None else tuple(image.config.get("Cmd") or ())
    arguments = spec.command if spec.command is not None else own
    return [_placed(part, image) for part in (*entry_point, *arguments)]


def variables(spec: ContainerSpec, image: UnpackedImage, port: int, interpreter: Path) -> dict[str, str]:
    """Return the whole environment of a container; nothing of the sandbox's own is in it.

    Folders of the image that the image's variables name are pointed into the unpacked copy, so PYTHONPATH and PATH work.
    What Python compiles stays in that copy, so only the first task of an image pays for it.
    """
    own = dict(entry.partition("=")[::2] for entry in image.config.get("Env") or ())
    placed = {name: os.pathsep.join(_placed(part, image) for part in value.split(":")) for name, value in own.items()}
    inside = [part for part in placed.pop("PATH", "").split(os.pathsep) if part.startswith(str(image.root))]
    return {
        "HOME": str(spec.folder),
        "LANG": "C.UTF-8",
        **placed,
        "PATH": os.pathsep.join([*inside, str(interpreter), os.defpath]),
        **spec.environment,
        "PORT": str(port),
    }


def health_command(spec: ContainerSpec, image: UnpackedImage, port: int) -> list[str]:
    """Return the health check to run: each process has a port of its own, so it stands for the container's port."""
    kind, *parts = spec.health_command or ("NONE",)
    if spec.container_port is not None:
        there = re.compile(rf"\b(127\.0\.0\.1|localhost):{spec.container_port}\b")
        parts = [there.sub(rf"\g<1>:{port}", part) for part in parts]
    return ["/bin/sh", "-c", *parts] if kind == "CMD-SHELL" else [_placed(part, image) for part in parts]


def working_directory(spec: ContainerSpec, image: UnpackedImage) -> Path:
    """Return the folder on this machine that the container begins in."""
    wanted = image.root / (spec.working_directory or image.config.get("WorkingDir") or "/").lstrip("/")
    return wanted if wanted.is_dir() else image.root


def free_port() -> int:
    """Return a port on loopback where nobody listens now.

    It is below those that systems give to outgoing connections (from 32768 on Linux, 49152 on macOS): until the task binds it,
    no connection of a busy machine can take it.
    """
    while True:
        port = secrets.choice(PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def _placed(value: str, image: UnpackedImage) -> str:
    """Return `value`, moved into the unpacked image if it is a path of it."""
    if not value.startswith("/") or not value.strip("/"):
        return value
    place = image.root / value.lstrip("/")
    return str(place) if place.exists() else value
