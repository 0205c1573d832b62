"""A process that has imported what any flow needs, waits until it is told which run it is for, and is Prefect's engine from then on.

`python -m deployments.worker.engine` reads one line from its input; where that is closed without one, the worker has ended, and so does it.
"""

import gc
import os
import pkgutil
import runpy
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib import import_module
from json import dumps, loads
from typing import Self

import flows

ENGINE = "prefect.engine"
"""What a process worker starts for each run."""
NEEDED = ("prefect.flow_engine", "prefect.task_engine")
"""What that imports when it knows its run."""


@dataclass(frozen=True)
class Order:
    """What a waiting engine is told."""

    folder: str
    """Where it works."""
    environment: Mapping[str, str]
    """All of its variables; by one of them it knows its run."""

    def line(self) -> bytes:
        """Return it as one line, for a pipe: what is secret stands in no argument."""
        return dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def read(cls, line: str) -> Self:
        """Return the order that a line holds."""
        return cls(**loads(line))


def main() -> None:
    """Load, wait, and run."""
    load()
    if line := sys.stdin.readline():
        become(Order.read(line))


def load() -> None:
    """Import every flow, and what Prefect imports to run one; what is in the way of that stands in the worker's own log."""
    gc.disable()  # it finds nothing in fresh modules
    for name in [*NEEDED, *(module.name for module in pkgutil.iter_modules(flows.__path__, "flows."))]:
        import_module(name)
    gc.freeze()
    gc.enable()


def become(order: Order) -> None:
    """Be the engine of one run, as if started for it; from here on it has nothing of the worker's, and may outlive it."""
    with open(os.devnull, "r+b") as nothing:  # noqa: PTH123 - a descriptor, not a file
        for stream in (sys.stdin, sys.stderr):
            os.dup2(nothing.fileno(), stream.fileno())
    os.environ.clear()
    os.environ.update(order.environment)
    os.chdir(order.folder)
    sys.argv = [ENGINE]
    runpy.run_module(ENGINE, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
