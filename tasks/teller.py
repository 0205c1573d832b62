"""The one thread of this process that tells GitHub; whoever promotes only pokes it, and never waits for it.

What it could not tell is still in the ledger: `recover` pokes again, every minute.
"""

import logging
import time
from collections.abc import Callable, Iterable
from threading import Condition, Thread
from uuid import UUID

from promoter.config import Service
from promoter.github.credentials import is_known
from promoter.ledger.promotions import Promotion
from promoter.settings import Settings
from tasks import telling
from tasks.telling import Subject

logger = logging.getLogger(__name__)

LAST_WORDS = 5.0
"""Seconds that a process which is about to end gives it, at most."""
FIRST_WAIT, LONGEST_WAIT = 2.0, 60.0
"""Seconds until it tries again, after the first failure and at most; each failure doubles them."""


class Teller:
    """A daemon thread with a list of what to tell of; it is started by the first."""

    def __init__(self, tell: Callable[[Subject], None]) -> None:
        """Tell of each by `tell`, which raises what is in the way."""
        self._tell = tell
        self._changed = Condition()
        self._wanted: dict[Subject, None] = {}
        self._thread: Thread | None = None
        self._is_telling = False
        self._hurries = False
        self._failures = 0
        self._failures_in_a_row = 0

    def poke(self, subject: Subject) -> None:
        """Let something be told of soon; returns at once."""
        with self._changed:
            self._wanted[subject] = None
            if self._thread is None:
                self._thread = Thread(target=self._run, daemon=True, name="tells GitHub")
                self._thread.start()
            self._changed.notify_all()

    def drain(self, seconds: float = LAST_WORDS) -> bool:
        """Wait until everything is told, until it fails, or for so many seconds; return whether everything is told."""
        deadline = time.monotonic() + seconds
        with self._changed:
            if self._thread is None:
                return True
            before, self._hurries = self._failures, True
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._is_done or self._failures > before, deadline - time.monotonic())
            self._hurries = False
            return self._is_done

    @property
    def _is_done(self) -> bool:
        return not self._wanted and not self._is_telling

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._wanted))
                subject = next(iter(self._wanted))
                del self._wanted[subject]
                self._is_telling = True
            self._try(subject)

    def _try(self, subject: Subject) -> None:
        trouble = None
        try:
            self._tell(subject)
        except Exception as error:  # noqa: BLE001 - whatever it is, no promotion ends with it
            trouble = error
        with self._changed:
            self._is_telling = False
            if trouble is None:
                self._failures_in_a_row = 0
                self._changed.notify_all()
                return
            if self._failures_in_a_row == 0:
                logger.warning("GitHub is not told of %s %s yet: %s", subject.kind, subject.id, trouble)
            self._wanted.setdefault(subject)  # behind the others: what is wrong with one keeps none waiting
            self._failures += 1
            self._failures_in_a_row += 1
            self._changed.notify_all()
            wait = min(FIRST_WAIT * 2 ** (self._failures_in_a_row - 1), LONGEST_WAIT)
            self._changed.wait_for(lambda: self._hurries, wait)
            self._hurries = False  # once for each that drains


TELLER = Teller(lambda subject: telling.tell(subject, Settings()))
"""This process's."""


def poke(promotion: Promotion) -> None:
    """Let GitHub be told of `promotion`, if it is to be told anything; returns at once."""
    if promotion.service.github is not None and is_known(Settings()):
        TELLER.poke(Subject("promotion", promotion.id))


def poke_check(service: Service, asked: UUID) -> None:
    """Let GitHub be told of the check of a pull request of `service`, as `poke` does of a promotion."""
    if service.github is not None and is_known(Settings()):
        TELLER.poke(Subject("check", asked))


def poke_all(subjects: Iterable[Subject]) -> None:
    """Let GitHub be told of several, one after the other."""
    for subject in subjects:
        TELLER.poke(subject)


def drain(seconds: float = LAST_WORDS) -> None:
    """Give what is untold its last chance in this process; what is left, `recover` tells."""
    if not TELLER.drain(seconds):
        logger.info("GitHub is told the rest by `recover`")
