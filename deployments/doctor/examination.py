"""What a check is, and what comes of it: OK, NG with what to do, or SKIP with a reason."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

from promoter.discretion import discreet
from promoter.errors import PromoterError
from promoter.text import printable

Outcome = Literal["OK", "NG", "SKIP"]
AT_ONCE = 16
"""Checks that run side by side; each mostly waits for somebody's answer."""


class NotNeededError(Exception):
    """There is nothing to check; the message says why."""


@dataclass(frozen=True)
class Check:
    """One thing that has to be so."""

    name: str
    """`api/staging: database`."""
    look: Callable[[], str]
    """Returns what was found, for people; raises what is in the way, or NotNeededError. Changes nothing."""


@dataclass(frozen=True)
class Result:
    """What came of one check."""

    name: str
    outcome: Outcome
    detail: str
    hint: str | None = None
    """What to do next, where there is something to be done."""

    def lines(self) -> list[str]:
        """Return it as lines for people."""
        first = f"{self.outcome:4} {self.name}: {self.detail}"
        return [first] if self.hint is None else [first, f"     → {self.hint}"]


def examine(checks: Iterable[Check]) -> Iterator[Result]:
    """Run `checks` side by side and yield their results in order."""
    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        yield from pool.map(_result, checks)


def _result(check: Check) -> Result:
    try:
        return Result(check.name, "OK", printable(discreet(check.look()), 300))
    except NotNeededError as reason:
        return Result(check.name, "SKIP", str(reason))
    except PromoterError as error:
        return Result(check.name, "NG", printable(error.message, 400), error.hint and printable(error.hint, 400))
    except Exception as error:  # noqa: BLE001 - whatever it met is what the check found
        return Result(check.name, "NG", printable(discreet(f"{type(error).__name__}: {error}"), 400))
