"""What every benchmark gives back: one ratio, its limit, and the times it is made of."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Result:
    """Ours divided by the underlying work, both measured in one run."""

    title: str
    ratio: float
    limit: float | None
    """The ratio that may not be passed; None where the ratio is only told."""
    times: Mapping[str, float]
    """Medians of whole processes or steps, in seconds."""
    notes: tuple[str, ...] = ()
    """What else was seen, a line each."""
    kept: bool = True
    """Whether what is promised besides the ratio was kept; the notes say what was not."""

    @property
    def held(self) -> bool:
        """Whether the limit and everything else that is promised holds."""
        return self.kept and (self.limit is None or self.ratio <= self.limit)

    def __str__(self) -> str:
        width = max(map(len, self.times))
        lines = [f"  {name:{width}} {seconds * 1000:8.1f} ms" for name, seconds in self.times.items()]
        fast = self.limit is None or self.ratio <= self.limit
        limit = "no limit" if self.limit is None else f"limit {self.limit:g}: {'ok' if fast else 'TOO SLOW'}"
        notes = [f"  {'' if self.kept else 'NOT KEPT: '}{note}" for note in self.notes]
        return "\n".join([f"{self.title}: ratio {self.ratio:.2f}, {limit}", *lines, *notes])
