"""Starts the sandbox's AWS in a process of its own, for `promoter sandbox up` and for tests."""

import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from deployments.sandbox.aws import processes
from promoter.errors import ConfigurationError

READY = "ready.json"
START_LIMIT = 60.0
"""Seconds that a start may take; moto's imports alone take some."""
STOP_LIMIT = 30.0
"""Seconds that tasks may take to end."""


@dataclass(frozen=True)
class Running:
    """A sandbox's AWS that serves."""

    endpoint_url: str
    pid: int
    folder: Path

    def stop(self) -> None:
        """End it with all its tasks, and return when it is gone; one that has ended is no error."""
        processes.end(self.pid, STOP_LIMIT)


def start(
    folder: Path,
    *,
    port: int = 0,
    time_scale: float | None = None,
    runtime: str = "process",
    python: Path | None = None,
    registry_username: str | None = None,
    registry_password: str | None = None,
) -> Running:
    """Start it in `folder`, wait until it serves, and return how to reach it; one that serves there already is returned.

    It lives on when this process ends. Raises ConfigurationError with the last lines of its log if it does not come up.
    """
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    found = find(folder)
    if found:
        return found
    (folder / READY).unlink(missing_ok=True)
    log = folder / "server.log"
    process = processes.start(
        _argv(folder, port, time_scale, runtime, python),
        cwd=Path(__file__).parents[3],
        env=_environment(registry_username, registry_password),
        output=log,
        record=folder / "server.pid",
    )
    until = time.monotonic() + START_LIMIT
    while time.monotonic() < until and process.poll() is None:
        found = find(folder)
        if found:
            process.release()
            return found
        time.sleep(0.05)
    process.kill()
    lines = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
    raise ConfigurationError(f"the sandbox's AWS does not come up in {folder}:\n{lines}", transient=True)


def find(folder: Path) -> Running | None:
    """Return the one that serves in `folder`, or None."""
    try:
        ready = json.loads((folder / READY).read_text())
        running = Running(ready["endpoint_url"], ready["pid"], folder)
    except (OSError, ValueError, KeyError):
        return None
    return running if processes.alive(running.pid) else None


def _argv(folder: Path, port: int, time_scale: float | None, runtime: str, python: Path | None) -> list[str]:
    argv = [
        sys.executable,
        "-m",
        "deployments.sandbox.aws",
        "--folder",
        str(folder),
        "--port",
        str(port),
        "--runtime",
        runtime,
    ]
    if time_scale is not None:
        argv += ["--time-scale", str(time_scale)]
    return [*argv, "--python", str(python)] if python else argv


def _environment(username: str | None, password: str | None) -> dict[str, str]:
    """Return the environment of the server: this one, and how to pull."""
    environment = dict(os.environ)
    if username and password:
        environment |= {"SANDBOX_REGISTRY_USERNAME": username, "SANDBOX_REGISTRY_PASSWORD": password}
    return environment
