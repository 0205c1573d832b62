"""The thread that tells GitHub: nobody waits for it but at the end, and then not for long."""

import subprocess
import sys
import time
from threading import Event
from uuid import uuid4

import pytest

from promoter.errors import GitHubError
from tasks import teller as teller_module
from tasks.teller import Teller
from tasks.telling import Subject

A, B = Subject("promotion", uuid4()), Subject("check", uuid4())


def test_it_tells_of_each_promotion_that_it_was_poked_for() -> None:
    """Twice for one that nobody told of in between is once."""
    heard: list[Subject] = []
    begun, go_on = Event(), Event()

    def tell(promotion: Subject) -> None:
        begun.set()
        go_on.wait(10)
        heard.append(promotion)

    teller = Teller(tell)
    teller.poke(A)
    begun.wait(10)
    for promotion in (B, B):
        teller.poke(promotion)
    go_on.set()

    assert teller.drain(60)
    assert heard == [A, B]


def test_a_poke_during_the_telling_is_told_too() -> None:
    """What is new may have come after the ledger was read."""
    heard: list[Subject] = []

    def tell(subject: Subject) -> None:
        heard.append(subject)
        if len(heard) == 1:
            teller.poke(A)

    teller = Teller(tell)
    teller.poke(A)

    assert teller.drain(60)
    assert heard == [A, A]


def test_nobody_waits_for_it() -> None:
    """Neither who pokes nor, for longer than it was said, who drains."""
    never = Event()

    def tell(_: Subject) -> None:
        never.wait(30)

    teller = Teller(tell)
    began = time.monotonic()
    teller.poke(A)
    poked = time.monotonic() - began

    assert not teller.drain(0.2)
    assert poked < 5
    assert time.monotonic() - began < 15
    never.set()


def test_a_failure_ends_the_wait_and_is_tried_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """A last try is made at once, not after the pause that a failure brings."""
    monkeypatch.setattr(teller_module, "FIRST_WAIT", 600.0)
    monkeypatch.setattr(teller_module, "LONGEST_WAIT", 600.0)
    tries: list[Subject] = []

    def tell(subject: Subject) -> None:
        tries.append(subject)
        if len(tries) < 3:
            raise GitHubError("GitHub does not answer", transient=True)

    teller = Teller(tell)
    teller.poke(A)
    while teller._failures == 0:
        time.sleep(0.01)

    assert not teller.drain(60)
    assert teller.drain(60)
    assert tries == [A, A, A]


def test_a_drain_without_a_poke_is_nothing() -> None:
    """No thread is started for it."""
    assert Teller(lambda _: None).drain()


def test_pygithub_is_not_imported_where_nothing_is_told() -> None:
    """It takes a second."""
    program = "import sys, tasks.teller; print('github' in sys.modules)"

    assert subprocess.check_output([sys.executable, "-c", program], text=True).strip() == "False"
