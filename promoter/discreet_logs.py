"""Lets no log record of this process carry a secret, whoever writes it and wherever it goes: Prefect's and its API's too."""

import logging
from collections.abc import Callable
from contextlib import suppress

from promoter.discretion import discreet


class Discreet:
    """Makes log records as they were made before, with `***` in place of every secret; tracebacks included."""

    def __init__(self, make: Callable[..., logging.LogRecord]) -> None:
        self._make = make

    def __call__(self, *arguments: object, **named: object) -> logging.LogRecord:
        """Return a new record; see `logging.setLogRecordFactory`."""
        record = self._make(*arguments, **named)
        with suppress(TypeError, ValueError, KeyError):  # arguments that do not fit: whoever writes it tells so
            _hide_in_message(record)
        _hide_in_traceback(record)
        return record


def install() -> None:
    """Let every record from now on be discreet; a second time changes nothing."""
    before = logging.getLogRecordFactory()
    if not isinstance(before, Discreet):
        logging.setLogRecordFactory(Discreet(before))


def _hide_in_message(record: logging.LogRecord) -> None:
    said = record.getMessage()
    told = discreet(said)
    if told != said:
        record.msg, record.args = told, ()


def _hide_in_traceback(record: logging.LogRecord) -> None:
    """Put the masked text in the error's place: a formatter takes it as it is, and none can write the error anew."""
    if record.exc_info and record.exc_info[0] is not None:
        said = logging.Formatter().formatException(record.exc_info)
        told = discreet(said)
        if told != said:
            record.exc_info, record.exc_text = None, told
    if record.stack_info:
        record.stack_info = discreet(record.stack_info)
