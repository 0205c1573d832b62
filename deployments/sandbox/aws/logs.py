"""Brings the output of containers to the sandbox's CloudWatch Logs, as the `awslogs` driver does."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from moto.logs.models import LogsBackend, logs_backends

from deployments.sandbox.aws.refusals import StartError
from deployments.sandbox.aws.state import Document

BATCH = 1000
"""Events in one call; CloudWatch Logs takes 10,000."""
_LOCK = threading.Lock()


@dataclass(frozen=True)
class LogStream:
    """Where one container's lines go."""

    account: str
    region: str
    group: str
    name: str

    def write(self, lines: Sequence[str]) -> None:
        """Add `lines`, all with the time of now."""
        with _LOCK:
            for begin in range(0, len(lines), BATCH):
                stamp = int(time.time() * 1000)
                events = [{"timestamp": stamp, "message": line} for line in lines[begin : begin + BATCH]]
                self._backend.put_log_events(self.group, self.name, events)

    def open(self, *, create_group: bool) -> None:
        """Make the stream, and its group if the task definition says so; raise StartError if there is no group."""
        with _LOCK:
            if create_group:
                self._backend.ensure_log_group(self.group)
            if self.group not in self._backend.groups:
                raise StartError(
                    "ResourceInitializationError: failed to validate logger args: create stream has been retried 1 times: "
                    f"failed to create Cloudwatch log stream: ResourceNotFoundException: The specified log group does not exist. : {self.group}"
                )
            self._backend.ensure_log_stream(self.group, self.name)

    @property
    def _backend(self) -> LogsBackend:
        return logs_backends[self.account][self.region]


def open_stream(definition: Document, task: str, account: str, region: str) -> LogStream | None:
    """Return the stream `prefix/container/task` of a container definition, opened; None where it does not log there."""
    configuration = definition.get("logConfiguration") or {}
    if configuration.get("logDriver") != "awslogs":
        return None
    options = configuration.get("options") or {}
    prefix = options.get("awslogs-stream-prefix")
    name = f"{prefix}/{definition['name']}/{task}" if prefix else task
    stream = LogStream(account, options.get("awslogs-region", region), options.get("awslogs-group", ""), name)
    stream.open(create_group=options.get("awslogs-create-group") == "true")
    return stream
