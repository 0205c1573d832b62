"""Run the flows of the work pool, until told to end (SIGTERM, Ctrl-C): nothing new is taken then, and what is under way is waited for.

Told again, it ends what is under way too. Where flows are processes, some that have imported everything wait to be given a run. Pools of other
kinds are worked by Prefect's own workers.
"""

import asyncio
import os
import sys
from argparse import ArgumentParser

from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound

from deployments import pools
from deployments.worker.serving import serve
from deployments.worker.worker import READY, Worker
from promoter.errors import ConfigurationError

PROCESS = "process"


def arguments(parser: ArgumentParser) -> None:
    """Declare what the verb takes."""
    parser.add_argument(
        "--ready", type=int, default=READY, metavar="N", help=f"how many processes wait for runs ({READY})"
    )
    parser.add_argument("--limit", type=int, metavar="N", help="how many runs at a time (as many as come)")


def run(*, ready: int, limit: int | None) -> None:
    """Work for the pool of this installation; raises ConfigurationError where there is none."""
    name = pools.name()
    if kind(name) != PROCESS:
        bound = [] if limit is None else ["--limit", str(limit)]
        words = ["-m", "prefect", "worker", "start", "--pool", name, *bound]
        os.execv(sys.executable, [sys.executable, *words])  # noqa: S606 - it takes this process's place, signals and all
    asyncio.run(serve(Worker(name, ready=ready, limit=limit)))


def kind(name: str) -> str:
    """Return on which kind of infrastructure the flows of a pool run."""
    with get_client(sync_client=True) as client:
        try:
            return client.read_work_pool(name).type
        except ObjectNotFound:
            raise ConfigurationError(
                f"there is no work pool {name!r}",
                hint=f"`promoter pool {PROCESS}` makes it; docker and ecs are the others.",
            ) from None
