"""Run the flows of the work pool, until told to end (SIGTERM, Ctrl-C): nothing new is taken then, and what is under way is waited for.

Told again, it ends what is under way too. Where flows are processes, some that have imported everything wait to be given a run. Pools of other
kinds are worked by Prefect's own workers.
"""

import asyncio
import os
import sys
from argparse import ArgumentParser

from httpx import HTTPError, codes

from deployments import pools, prefect_api
from deployments.worker.serving import serve
from deployments.worker.worker import READY, Worker
from promoter.errors import ConfigurationError, PromoterError

PROCESS = "process"


def arguments(parser: ArgumentParser) -> None:
    """Declare what the verb takes."""
    parser.add_argument(
        "--ready", type=int, default=READY, metavar="N", help=f"how many processes wait for runs ({READY})"
    )
    parser.add_argument("--limit", type=int, metavar="N", help="how many runs at a time (as many as come)")


def run(*, ready: int, limit: int | None) -> None:
    """Work for the pool of this installation; raises ConfigurationError where there is none, PromoterError where Prefect does not tell."""
    if ready < 0:
        raise ConfigurationError(f"--ready {ready}: fewer than none", hint="0 lets each run start its own process.")
    if limit is not None and limit < 1:
        raise ConfigurationError(f"--limit {limit}: no run could ever begin", hint="Leave it out for as many as come.")
    name = pools.name()
    if kind(name) != PROCESS:
        bound = [] if limit is None else ["--limit", str(limit)]
        words = ["-m", "prefect", "worker", "start", "--pool", name, *bound]
        os.execv(sys.executable, [sys.executable, *words])  # noqa: S606 - it takes this process's place, signals and all
    asyncio.run(serve(Worker(name, ready=ready, limit=limit)))


def kind(name: str) -> str:
    """Return on which kind of infrastructure the flows of a pool run."""
    with prefect_api.client() as client:
        try:
            answer = client.get(f"/work_pools/{name}")
            if answer.status_code == codes.NOT_FOUND:
                raise ConfigurationError(
                    f"there is no work pool {name!r} at {prefect_api.url()}",
                    hint=f"`promoter pool {PROCESS}` makes it; docker and ecs are the others.",
                )
            return str(answer.raise_for_status().json()["type"])
        except HTTPError as error:
            raise PromoterError(
                f"{prefect_api.url()}: {error}", hint="Is it up, and is PREFECT_API_AUTH_STRING right?"
            ) from error
