"""The worker of a pool of processes: Prefect's own, but that it gives a run to an engine which waits."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from tempfile import TemporaryDirectory
from typing import Self

import anyio
from anyio.abc import Process, TaskStatus
from prefect.client.schemas.objects import FlowRun
from prefect.exceptions import InfrastructureError
from prefect.flows import load_flow_from_flow_run
from prefect.runner._control_channel import ControlChannel
from prefect.runner._flow_run_executor import FlowRunExecutionResult, FlowRunExecutorContext
from prefect.runner._process_manager import ProcessHandle, create_isolated_termination_scope
from prefect.workers.process import ProcessJobConfiguration, ProcessWorker, ProcessWorkerResult

from deployments.worker.engine import Order
from deployments.worker.ready import Ready, end, environment

READY = 3
"""How many engines wait, if nobody says otherwise: about 130 MB each."""


class Worker(ProcessWorker):
    """A process worker that keeps engines ready."""

    def __init__(self, pool: str, *, ready: int = READY, limit: int | None = None) -> None:
        """Work for a pool that is there, with at most `limit` runs at a time; None for as many as come."""
        name = f"{socket.gethostname()}, process {os.getpid()}"
        super().__init__(work_pool_name=pool, name=name, limit=limit, create_pool_if_not_found=False)
        self._ready = Ready(ready)
        self._under_way = 0
        self.takes_more = True
        """Whether it takes runs that wait; what it has taken, it brings to its end in any case."""

    @property
    def is_busy(self) -> bool:
        """Whether a run is under way, or about to be."""
        return self._under_way > 0 or bool(self._submitting_flow_run_ids)

    @classmethod
    def __dispatch_key__(cls) -> str:
        """Return a name of its own: who asks Prefect for a worker of type `process` is to get Prefect's."""
        return f"{cls.type}, ready"

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        await self._ready.__aenter__()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._ready.__aexit__(*exc_info)
        await super().__aexit__(*exc_info)

    async def get_and_submit_flow_runs(self) -> list[FlowRun]:
        """Take what is scheduled, as long as more is taken; whoever looks just now may be about to take something."""
        if not self.takes_more:
            return []
        with self._busy():
            return await super().get_and_submit_flow_runs()

    async def run(
        self,
        flow_run: FlowRun,
        configuration: ProcessJobConfiguration,
        task_status: TaskStatus[int] | None = None,
    ) -> ProcessWorkerResult:
        """Run a flow to its end, the state hooks of one that crashed included."""
        with self._busy():
            return await self._run(flow_run, configuration, task_status)

    @contextmanager
    def _busy(self) -> Iterator[None]:
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1

    async def _run(
        self, flow_run: FlowRun, configuration: ProcessJobConfiguration, task_status: TaskStatus[int] | None
    ) -> ProcessWorkerResult:
        """Run a flow in an engine that waits; where the job asks for more than a process, as Prefect does."""
        if not is_plain(configuration):
            return await super().run(flow_run, configuration, task_status)
        wanted = variables(configuration)
        engine = await self._ready.take(wanted)
        try:
            with TemporaryDirectory(suffix="prefect") as folder:
                return await execute(flow_run, Order(folder, wanted), engine, task_status)
        finally:
            await end(engine)


@dataclass(frozen=True)
class Starter:
    """Starts a run by giving its order to an engine; what `prefect.runner` calls a ProcessStarter."""

    engine: Process
    order: Order
    channel: ControlChannel

    async def start(
        self, flow_run: FlowRun, task_status: TaskStatus[ProcessHandle] = anyio.TASK_STATUS_IGNORED
    ) -> None:
        """Give the order, tell which process it is, and return when that has ended; who cancels this, terminates it."""
        try:
            await self._tell(replace(self.order, environment={**self.order.environment, **self._control(flow_run)}))
            task_status.started(ProcessHandle(self.engine, create_isolated_termination_scope(self.engine.pid)))
            await self.engine.wait()
        finally:
            with suppress(ProcessLookupError):
                self.engine.terminate()
            with anyio.CancelScope(shield=True):
                await self.engine.aclose()

    async def _tell(self, order: Order) -> None:
        assert self.engine.stdin is not None  # noqa: S101 - it was started with a pipe
        await self.engine.stdin.send(order.line())
        await self.engine.stdin.aclose()

    def _control(self, flow_run: FlowRun) -> dict[str, str]:
        """Return by which variables the engine tells the worker that a cancelled run has ended in order."""
        try:
            port, token = self.channel.register(flow_run.id)
        except RuntimeError:
            return {}  # no port could be had: it is cancelled by signals alone, as Prefect's own starter has it
        return {"PREFECT__CONTROL_PORT": str(port), "PREFECT__CONTROL_TOKEN": token}


async def execute(
    flow_run: FlowRun, order: Order, engine: Process, task_status: TaskStatus[int] | None
) -> ProcessWorkerResult:
    """Run a flow in an engine, from the order to the state hooks of a run that crashed; meanwhile it can be cancelled."""
    ended: list[FlowRunExecutionResult | None] = []
    async with FlowRunExecutorContext() as context:
        executor = context.create_executor(
            flow_run,
            Starter(engine, order, context.control_channel),
            resolve_flow=load_flow_from_flow_run,
            propose_submitting=False,
        )

        async def submit(*, task_status: TaskStatus[ProcessHandle]) -> None:
            ended.append(await executor.submit(task_status))

        async with anyio.create_task_group() as group:
            await group.start(submit)
            if task_status is not None:
                task_status.started(engine.pid)
    (result,) = ended
    if result is None or result.status_code is None:
        raise InfrastructureError(f"the engine of flow run {flow_run.id} was not started")
    return ProcessWorkerResult(status_code=result.status_code, identifier=str(engine.pid))


def is_plain(configuration: ProcessJobConfiguration) -> bool:
    """Say whether a job asks for nothing but a process: no command, folder or output of its own."""
    has_command = configuration._command_configured  # noqa: SLF001 - else it has a command in any case
    return not (has_command or configuration.working_dir or configuration.stream_output)


def variables(configuration: ProcessJobConfiguration) -> dict[str, str]:
    """Return the variables of a job's engine, as Prefect's own starter has them."""
    job = {name: value for name, value in configuration.env.items() if value is not None}
    return {**environment(), **job, "PREFECT__ENABLE_CANCELLATION_AND_CRASHED_HOOKS": "false"}
