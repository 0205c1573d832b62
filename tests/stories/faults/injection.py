"""How each fault is made: real signals to real processes, and the call that the button in the UI makes."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from uuid import UUID

import httpx
import psutil

from deployments import prefect_api
from deployments.sandbox import parts
from deployments.sandbox.aws import processes
from deployments.sandbox.sandbox import Sandbox
from tests.stories.faults.cells import Fault

ROOT = Path(__file__).parents[3]
INJECTED = Path(__file__).parent / "injected"
DOWN = 3.0
"""How long the server is away, in seconds."""
PATIENCE = 90.0
"""How long the server may take to come back, in seconds."""


@dataclass(frozen=True)
class Injection:
    """Strikes one flow run of a sandbox."""

    sandbox: Sandbox
    run: UUID

    def strike(self, fault: Fault) -> None:
        """Make the fault; return when it has happened, and a server that went is back."""
        strikes: dict[Fault, Callable[[], None]] = {
            Fault.EXCEPTION: lambda: self._signal(signal.SIGUSR1),
            Fault.EXIT: lambda: self._signal(signal.SIGUSR2),
            Fault.KILL_FLOW: lambda: self._signal(signal.SIGKILL),
            Fault.KILL_WORKER: lambda: self.part("worker").kill(),
            Fault.KILL_BOTH: self._kill_both,
            Fault.CANCEL: self._cancel,
            Fault.TIMEOUT: lambda: self._signal(signal.SIGVTALRM),
            Fault.RESTART: self._restart_server,
        }
        strikes[fault]()

    def part(self, name: str) -> psutil.Process:
        """Return the process of a part of the sandbox as it is now."""
        return part(self.sandbox, name)

    @cached_property
    def pid(self) -> int:
        """The id of the flow's process, as its worker told Prefect; what had waited for its run does not have it in its environment."""
        with prefect_api.client() as client:
            return int(client.get(f"/flow_runs/{self.run}").raise_for_status().json()["infrastructure_pid"])

    @property
    def flow(self) -> psutil.Process:
        """The process in which the flow runs."""
        return psutil.Process(self.pid)

    def processes(self) -> list[psutil.Process]:
        """Return every process that belongs to the flow run: its own, and those that it started and that tell it."""
        return [one for one in psutil.process_iter() if _is_engine(one, self.pid) or _belongs(one, self.run)]

    def mend(self) -> None:
        """Leave nothing of the flow run behind, and start another worker if that is dead."""
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):
                process.kill()
        if not processes.alive(int((self.sandbox.folder / "processes" / "worker.pid").read_text())):
            start_worker(self.sandbox)

    def _signal(self, number: signal.Signals) -> None:
        self.flow.send_signal(number)

    def _kill_both(self) -> None:
        flow = self.flow
        self.part("worker").kill()
        flow.kill()

    def _cancel(self) -> None:
        cancelling = {"state": {"type": "CANCELLING", "name": "Cancelling"}}
        url = f"{os.environ['PREFECT_API_URL']}/flow_runs/{self.run}/set_state"
        httpx.post(url, json=cancelling, timeout=30).raise_for_status()

    def _restart_server(self) -> None:
        server = self.part("prefect")
        argv, variables = server.cmdline(), server.environ()
        for process in (*server.children(recursive=True), server):
            process.kill()
        time.sleep(DOWN)
        processes.start(
            argv,
            cwd=ROOT,
            env=variables,
            output=self.sandbox.folder / "logs" / "prefect.log",
            record=self.sandbox.folder / "processes" / "prefect.pid",
        ).release()
        _wait_for_server()


@contextmanager
def listening(sandbox: Sandbox) -> Iterator[None]:
    """Let a worker work for the sandbox whose flows listen to the signals of `injected`, and afterwards another."""
    end_worker(sandbox)
    start_worker(sandbox)
    try:
        yield
    finally:
        end_worker(sandbox)
        parts.start_worker(sandbox.folder, sandbox.variables)


def start_worker(sandbox: Sandbox) -> None:
    """Start the worker whose flows listen."""
    parts.start_worker(sandbox.folder, {**sandbox.variables, "PYTHONPATH": str(INJECTED)})


def end_worker(sandbox: Sandbox) -> None:
    """End the worker at once; what it keeps ready ends with it."""
    worker = part(sandbox, "worker")
    worker.kill()
    worker.wait(PATIENCE)


def part(sandbox: Sandbox, name: str) -> psutil.Process:
    """Return the process of a part of a sandbox as it is now."""
    return psutil.Process(int((sandbox.folder / "processes" / f"{name}.pid").read_text()))


def start(run_of: str, service: str, branch: str) -> UUID:
    """Start a run of a deployment."""
    with httpx.Client(base_url=os.environ["PREFECT_API_URL"], timeout=60) as client:
        deployment = client.get(f"/deployments/name/{run_of}/{run_of}").raise_for_status().json()["id"]
        wanted = {"parameters": {"service": service, "branch": branch}}
        answer = client.post(f"/deployments/{deployment}/create_flow_run", json=wanted)
        return UUID(answer.raise_for_status().json()["id"])


def _wait_for_server() -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        with suppress(httpx.TransportError):
            if httpx.get(f"{os.environ['PREFECT_API_URL']}/health", timeout=1).is_success:
                return
        time.sleep(0.1)
    raise AssertionError(f"the server is not back after {PATIENCE:g} s")


def _is_engine(process: psutil.Process, pid: int) -> bool:
    with suppress(psutil.Error):
        return process.pid == pid and process.cmdline()[-1:] == ["deployments.worker.engine"]
    return False


def _belongs(process: psutil.Process, run: UUID) -> bool:
    with suppress(psutil.Error, IndexError):
        known = process.environ().get("PREFECT__FLOW_RUN_ID", "")
        return known.replace("-", "") == run.hex and process.status() != psutil.STATUS_ZOMBIE
    return False
