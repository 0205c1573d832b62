"""`python -m tests.kill_matrix`: kill a promotion, and its recovery, at every external call, and see what becomes of it.

Closes with `N of N converged`; the exit code is 1 where a promise was broken.
"""

import argparse
import os
import signal
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

from deployments.sandbox import parts, sandbox
from promoter import postgres
from tests.kill_matrix import animals, cases, pool
from tests.kill_matrix.cases import Case, Result

GROUPS = (*cases.PLOTS, "pairs")
PAIRS = 24
"""How many pairs of kills a whole matrix has."""
QUIET = {
    "DO_NOT_TRACK": "1",
    "PREFECT_LOGGING_LEVEL": "WARNING",
    "PREFECT_LOGGING_TO_API_ENABLED": "false",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
}


def main() -> int:
    """Play the cases that the arguments name and return the exit code."""
    wanted = _arguments()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    began = time.monotonic()
    with (
        TemporaryDirectory(prefix="kill-matrix-") as name,
        _prefect(Path(name, "prefect"), wanted.prefect),
        _lanes(Path(name), wanted.lanes) as lanes,
    ):
        board = Board(lanes)
        _play(board, wanted)
    return board.close(time.monotonic() - began, strict=bool(wanted.at))


@dataclass
class Board:
    """Hands cases to the lanes and tells how each ended."""

    lanes: ProcessPoolExecutor
    results: list[Result] = field(default_factory=list)

    def play(self, chosen: Iterable[Case]) -> list[Result]:
        """Play the cases and return their results."""
        futures = [self.lanes.submit(pool.play, case) for case in chosen]
        known, found = len(self.results), []
        for future in as_completed(futures):
            found.append(future.result())
            self.say(f"{known + len(found):4}/{known + len(futures)} {found[-1]}")
        self.results += found
        return found

    def close(self, seconds: float, *, strict: bool) -> int:
        """Say what was broken, and how many converged, and return the exit code; `strict` means that every kill has to happen."""
        broken = [result for result in self.results if result.violations]
        missed = [result for result in self.results if result.missed]
        if missed:
            self.say(f"{len(missed)} ended before the call at which they were to be killed:")
        for result in (*missed, *broken):
            self.say(str(result))
        self.say(f"{len(self.results) - len(broken)} of {len(self.results)} converged ({seconds:.0f} s)")
        return 1 if broken or (strict and missed) else 0

    @staticmethod
    def say(text: str) -> None:
        """Print at once."""
        print(text, flush=True)  # noqa: T201


def _play(board: Board, wanted: argparse.Namespace) -> None:
    """Play what is wanted: undisturbed runs first, then what is made of them, then pairs made of that."""
    if wanted.at:
        board.play(map(Case.read, wanted.at))
        return
    if wanted.zoo:
        board.play(cases.sample([Case("back", animal=kind) for kind in animals.ANIMALS], wanted.sample))
        return
    groups = [wanted.only] if wanted.only else GROUPS
    recorded = board.play([Case(plot) for plot in cases.PLOTS if plot in groups or "pairs" in groups])
    found = [case for result in recorded for case in cases.of(result, every=wanted.every)]
    if wanted.changes:
        found = [case for case in found if case.changes]
    if wanted.list:
        board.say("\n".join(map(str, found)))
        return
    for plot in cases.PLOTS:
        if plot in groups:
            board.play(cases.sample([case for case in found if case.plot == plot], wanted.sample))
    if "pairs" in groups:
        count = wanted.sample or PAIRS
        killed = [result for result in board.results if result.case.promotion is not None]
        killed = killed or board.play(cases.sample([case for case in found if case.promotion is not None], count))
        board.play(cases.sample(list(cases.pairs(killed)), count))


@contextmanager
def _prefect(folder: Path, url: str | None) -> Iterator[None]:
    """Let every lane use the Prefect server at `url`, or one of our own."""
    os.environ.update(QUIET)
    try:
        if url is None:
            database = postgres.create_database(postgres.start(folder / "postgres", durable=False), "prefect")
            url = f"{parts.start_prefect(folder, database, deploy=False).url}/api"
        os.environ["PREFECT_API_URL"] = url
        yield
    finally:
        sandbox.down(folder)


@contextmanager
def _lanes(folder: Path, count: int) -> Iterator[ProcessPoolExecutor]:
    """Yield a pool of processes with a sandbox each; they are new and have one thread, so that they can fork."""
    context = get_context("spawn")
    folders = [folder / f"lane-{number}" for number in range(count)]
    queue = context.SimpleQueue()
    for one in folders:
        queue.put(one)
    lanes = ProcessPoolExecutor(count, context, pool.begin, (queue, context.Lock()))
    try:
        yield lanes
    finally:
        lanes.shutdown(cancel_futures=True)
        for one in folders:
            sandbox.down(one)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("kill_matrix", description=__doc__)
    parser.add_argument("--only", choices=GROUPS, help="one group of cases; all without it")
    parser.add_argument("--sample", type=int, metavar="N", help="N cases of each group, evenly spread")
    parser.add_argument("--at", action="append", metavar="CASE", help="one case, as the matrix prints it; repeatable")
    parser.add_argument(
        "--every", action="store_true", help="also before a call what is already killed after the last one"
    )
    parser.add_argument("--zoo", action="store_true", help="every migration of the zoo, with a release that crashes")
    parser.add_argument("--changes", action="store_true", help="only at calls that change something")
    parser.add_argument("--list", action="store_true", help="only say what could be killed where")
    parser.add_argument("--lanes", type=int, default=2, help="how many sandboxes play at once")
    parser.add_argument("--prefect", metavar="URL", help="the API of a Prefect server that runs already")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
