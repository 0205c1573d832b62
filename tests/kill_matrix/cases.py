"""What can be killed where: the cases of the matrix, made from what undisturbed runs called."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from tests.kill_matrix.calls import Entry, Kill

Plot = Literal["forward", "back"]
"""A good release with a migration, or one whose container crashes, so that its promotion fails by itself."""
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

    @property
    def changes(self) -> bool:
        """Whether every kill is at a call that changes something."""
        return all(kill.call.changes for kill in (self.promotion, self.recovery) if kill is not None)

    def __str__(self) -> str:
        kills = {"promotion": self.promotion, "recovery": self.recovery}
        told = [f"{process} killed {kill}" for process, kill in kills.items() if kill is not None]
        return f"{self.plot}, {' and '.join(told) or 'undisturbed'}"


@dataclass(frozen=True)
class Result:
    """How a case ended."""

    case: Case
    outcome: str
    """Of the promotion; `never accepted` where there is none."""
    violations: tuple[str, ...]
    missed: bool
    """Whether a process ended before it came to where it was to be killed."""
    seconds: float
    promotion: tuple[Entry, ...] = ()
    """What the promotion called."""
    recovery: tuple[Entry, ...] = ()
    """What the first recovery called."""

    def __str__(self) -> str:
        verdict = "BROKEN" if self.violations else "missed" if self.missed else "ok"
        line = f"{verdict:6} {self.seconds:5.1f} s  {self.outcome:14} {self.case}"
        return "\n".join([line, *(f"       {violation}" for violation in self.violations)])


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
    if recorded.case.plot == "forward":
        return [Case("forward", promotion=kill) for kill in kills(recorded.promotion, every=every)]
    return [Case("back", recovery=kill) for kill in kills(recorded.recovery, every=every)]


def pairs(results: Iterable[Result]) -> Iterator[Case]:
    """Yield for each promotion that was killed the case whose recovery is killed too, each time at another of its calls."""
    told = [(result.case, list(kills(result.recovery))) for result in results if result.case.promotion is not None]
    for number, (case, found) in enumerate((case, found) for case, found in told if found):
        yield Case(case.plot, case.promotion, found[number * 7 % len(found)])


def at(text: str) -> Case:
    """Return the case of a kill that is written as `str` writes it; the calls of a recovery belong to a way back."""
    kill = Kill.read(text)
    return Case("back", recovery=kill) if kill.call.stage == "recover" else Case("forward", promotion=kill)


def sample(found: Sequence[T], wanted: int | None) -> list[T]:
    """Return `wanted` of `found`, evenly spread; all for None."""
    if wanted is None or wanted >= len(found):
        return list(found)
    return [found[(2 * number + 1) * len(found) // (2 * wanted)] for number in range(wanted)]
