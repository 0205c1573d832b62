"""`promoter watch`: recovers again and again, outlives what is in its way, and ends when it is told to."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from promoter.config import Service
from promoter.ledger import leases, promotions
from promoter.ledger.connection import connect
from promoter.ledger.promotions import Promotion
from promoter.records import Push
from promoter.settings import Settings

PATIENCE = 60.0
"""Seconds that a watch may take until it does what it has to."""


class Watch:
    """A watch that runs, and what it said."""

    def __init__(self, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self.process = process
        self.log = log

    def said(self, words: str) -> str:
        """Wait until it said `words`, and return all that it said."""
        deadline = time.monotonic() + PATIENCE
        while words not in self.log.read_text():
            assert time.monotonic() < deadline, f"it never said {words!r}: {self.log.read_text()}"
            time.sleep(0.05)
        return self.log.read_text()

    def end(self, number: signal.Signals) -> int:
        """Tell it to end, and return its exit code."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)


@contextmanager
def watch(log: Path) -> Iterator[Watch]:
    """Start a watch that looks five times a second, and leave none behind."""
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "deployments.cli", "watch", "--every=0.2"], stdout=stream, stderr=stream
        )
        try:
            yield Watch(process, log)
        finally:
            process.kill()
            process.wait()


@pytest.fixture
def abandoned(settings: Settings, make_service: Callable[..., Service]) -> Promotion:
    """Return a promotion whose driver vanished."""
    push = Push(repository="https://git.example/api.git", branch="test", commit="a" * 40, base=None)
    with connect(settings) as ledger:
        accepted = promotions.accept(ledger, make_service(), push)
        leases.take(ledger, accepted, driver="vanished", seconds=0)
    return accepted


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_what_nobody_drives_is_recovered_until_a_signal_says_end(
    abandoned: Promotion, tmp_path: Path, number: signal.Signals
) -> None:
    """Each end is told in one line; the watch itself ends with 0."""
    with watch(tmp_path / "log") as watching:
        watching.said(f"promotion {abandoned.id}: rejected: its driver vanished")
        assert watching.end(number) == 0
        assert watching.said("ended").count("rejected") == 1


def test_a_ledger_that_does_not_answer_is_told_once_and_waited_for(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The watch lives on."""
    monkeypatch.setenv("PROMOTER_LEDGER_URL", "postgresql://promoter@127.0.0.1:9/promoter")
    assert settings.ledger_url != Settings().ledger_url
    with watch(tmp_path / "log") as watching:
        watching.said("nothing is recovered: LedgerError: the ledger postgresql://promoter@127.0.0.1:9/promoter")
        time.sleep(1)  # several looks more
        assert watching.end(signal.SIGTERM) == 0
        assert watching.said("ended").count("cannot be reached") == 1
