"""Bring every promotion that nobody drives any more to its end, again and again, until told to end (SIGTERM, Ctrl-C).

Needs the ledger and the outside world, no Prefect worker: let it run beside the workers, so that the death of all of them is mended too.
"""

import logging
import signal
import sys
import time
from argparse import ArgumentParser
from typing import NoReturn

from flows.recover import recover_all

logger = logging.getLogger(__name__)

ROOMS = ("promoter", "tasks", "flows", "deployments")
"""Whose log lines are told."""


def arguments(parser: ArgumentParser) -> None:
    """Declare what the verb takes."""
    parser.add_argument("--every", type=float, default=10, metavar="SECONDS", help="how often it looks (10)")


def run(*, every: float) -> None:
    """Look every so many seconds; return when a signal says so.

    A way back that a signal interrupts is left as after any other fault: whoever looks next goes on with it at once.
    """
    _speak()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)
    logger.info("watching every %g s", every)
    trouble = None
    while True:
        before, trouble = trouble, look()
        if trouble != before:
            logger.warning("%s", trouble or "recovering again")
        time.sleep(every)


def look() -> str | None:
    """Recover what nobody drives, and say what came of it; return what was in the way, in one line, and None if nothing was."""
    try:
        for promotion in recover_all():
            logger.info("promotion %s: %s: %s", promotion.id, promotion.outcome or "still under way", promotion.cause)
    except Exception as error:  # noqa: BLE001 - a watch that an error ends watches nothing
        return f"nothing is recovered: {type(error).__name__}: {' '.join(str(error).split())}"
    return None


def _speak() -> None:
    """Let what we log stand on stdout; Prefect has set up logging for flows when it was imported, and this is none."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", stream=sys.stdout, force=True)
    for room in ROOMS:
        logging.getLogger(room).setLevel(logging.INFO)
        logging.getLogger(room).handlers.clear()


def _end(*_: object) -> NoReturn:
    logger.info("ended")
    sys.exit(0)
