"""What can be killed where: the cases of the matrix, made from what undisturbed runs called."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Self, TypeVar, get_args

from tests.kill_matrix.calls import Entry, Kill

Plot = Literal["forward", "back", "rollback"]
"""A good release with a migration; one whose container crashes, so that its promotion fails by itself; a person's way back, schema included."""
PLOTS: tuple[Plot, ...] = get_args(Plot)
WRITTEN = re.compile(
    r"(?P<plot>\w+)(?: with (?P<animal>[^:]+?))?, (?:undisturbed|(?:promotion killed (?P<promotion>.+?))??(?: and )?(?:recovery killed (?P<recovery>.+))?)"
)
REPEATED = 3
"""How many equal calls of one stage are killed: the next ones, of a poll for example, only come later."""
LEFT_ALONE = ("process migration_runner upgrade", "process migration_runner downgrade", "process git push")
"""Programs that change something while nobody watches them any more: their caller is killed during their work too."""
T = TypeVar("T")


@dataclass(frozen=True)
class Case:
    """One push, and where its promotion and its recovery are killed."""

    plot: Plot
    promotion: Kill | None = None
    recovery: Kill | None = None
    animal: str = ""
    """The kind of the zoo whose migrations the broken release brings; "" for the sample service's own."""

    @classmethod
    def read(cls, text: str) -> Self:
        """Return what `str` wrote; raise ValueError where it did not."""
        found = WRITTEN.fullmatch(text)
        plot = next((plot for plot in PLOTS if found is not None and plot == found["plot"]), None)
        if found is None or plot is None:
            msg = f"{text!r} is not like 'forward, promotion killed after roll_out: aws ecs:UpdateService #1'"
            raise ValueError(msg)
        killed = [Kill.read(found[process]) if found[process] else None for process in ("promotion", "recovery")]
        promotion, recovery = killed
        return cls(plot, promotion, recovery, found["animal"] or "")

    @property
    def changes(self) -> bool:
        """Whether every kill is at a call that changes something."""
        return all(kill.call.changes for kill in (self.promotion, self.recovery) if kill is not None)

    def __str__(self) -> str:
        kills = {"promotion": self.promotion, "recovery": self.recovery}
        told = [f"{process} killed {kill}" for process, kill in kills.items() if kill is not None]
        plot = f"{self.plot} with {self.animal}" if self.animal else self.plot
        return f"{plot}, {' and '.join(told) or 'undisturbed'}"


@dataclass(frozen=True)
class Result:
    """How a case ended."""

    case: Case
    outcome: str
    """Of the promotion; `never accepted` where there is none."""
    violations: tuple[str, ...]
    missed: bool = False
    """Whether a process ended before it came to where it was to be killed."""
    seconds: float = 0.0
    promotion: tuple[Entry, ...] = ()
    """What the promotion called."""
    recovery: tuple[Entry, ...] = ()
    """What the first recovery called."""
    log: str = ""
    """What the processes said last, where a promise was broken."""

    def __str__(self) -> str:
        verdict = "BROKEN" if self.violations else "missed" if self.missed else "ok"
        line = f"{verdict:6} {self.seconds:5.1f} s  {self.outcome:14} {self.case}"
        return "\n".join([line, *(f"       {told}" for told in (*self.violations, *self.log.splitlines()))])


def kills(entries: Iterable[Entry], *, every: bool = False) -> Iterator[Kill]:
    """Yield where to kill, in the order in which the calls began.

    What is after one call of a stage is before its next: the process dies there once, unless `every` moment is wanted.
    """
    begun = set()
    for entry in entries:
        call = entry.call
        if entry.moment != "before" or call.number > REPEATED:
            continue
        if every or call.stage not in begun:
            yield Kill("before", call)
        if call.name in LEFT_ALONE:
            yield Kill("during", call)
        yield Kill("after", call)
        begun.add(call.stage)


def of(recorded: Result, *, every: bool = False) -> list[Case]:
    """Return the cases that an undisturbed run stands for: its promotion is killed, or its recovery where it failed by itself."""
    plot = recorded.case.plot
    if plot == "back":
        return [Case(plot, recovery=kill) for kill in kills(recorded.recovery, every=every)]
    return [Case(plot, promotion=kill) for kill in kills(recorded.promotion, every=every)]


def pairs(results: Iterable[Result]) -> Iterator[Case]:
    """Yield for each promotion that was killed the case whose recovery is killed too, each time at another of its calls."""
    told = [(result.case, list(kills(result.recovery))) for result in results if result.case.promotion is not None]
    for number, (case, found) in enumerate((case, found) for case, found in told if found):
        yield Case(case.plot, case.promotion, found[number * 7 % len(found)])


def sample(found: Sequence[T], wanted: int | None) -> list[T]:
    """Return `wanted` of `found`, evenly spread; all for None."""
    if wanted is None or wanted >= len(found):
        return list(found)
    return [found[(2 * number + 1) * len(found) // (2 * wanted)] for number in range(wanted)]
