"""Shows a promotion while it runs: a live table at a terminal, plain lines elsewhere."""

import time
from collections.abc import Callable

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from deployments.progress import Progress
from promoter import summary
from promoter.ledger.steps import Step
from tasks.observation import Observation

GLANCE = 0.2
"""Seconds between two looks at the ledger."""
MARKS = {
    "done": "[green]✓[/]",
    "failed": "[red]✗[/]",
    "taken back": "[yellow]↩[/]",
    "kept": "[yellow]=[/]",
    "under way": "…",
}


def watch(console: Console, look: Callable[[], Progress]) -> Progress:
    """Show a promotion until it has ended, and return it as it is then."""
    return _live(console, look) if console.is_terminal else _plain(console, look)


def environments(console: Console, found: list[Observation]) -> None:
    """Print what runs where."""
    table = Table("environment", "version", "digest", "task definition", "schema", "health")
    for one in found:
        digest = (one.digest or "").removeprefix("sha256:")[:12]
        health = f"[green]{one.health}[/]" if one.healthy else f"[red]{one.health}[/]"
        table.add_row(one.environment, one.version, digest, one.definition, ", ".join(one.heads), health)
    console.print(table)


def _live(console: Console, look: Callable[[], Progress]) -> Progress:
    with Live(console=console, refresh_per_second=8, transient=False) as live:
        while True:
            progress = look()
            live.update(_stages(progress))
            if progress.has_ended:
                return progress
            time.sleep(GLANCE)


def _plain(console: Console, look: Callable[[], Progress]) -> Progress:
    told: set[tuple[str, str]] = set()
    while True:
        progress = look()
        for step in progress.steps:
            row = summary.table([step])[0]
            key = (step.stage, row["state"])
            if row["state"] != "under way" and key not in told:
                told.add(key)
                console.print(_line(step))
        if progress.has_ended:
            console.print(_ending(progress))
            return progress
        time.sleep(GLANCE)


def _stages(progress: Progress) -> Group:
    return Group(*(_line(step) for step in progress.steps), _ending(progress))


def _line(step: Step) -> Text:
    row = summary.table([step])[0]
    seconds = "" if row["seconds"] is None else f"{row['seconds']:6.2f} s"
    mark = Text.from_markup(MARKS.get(row["state"], "·"))
    return Text.assemble("  ", mark, f" {step.stage:<16}{seconds:>9}  ", (row["detail"], "dim"))


def _ending(progress: Progress) -> Text:
    promotion = progress.promotion
    if progress.released_before:
        return Text("  → it was released before: nothing to do; `--force` releases it again")
    if promotion is None:
        return Text(f"  {progress.crashed or 'the worker is fetching the run …'}")
    if promotion.outcome is None or promotion.ended_at is None:
        return Text("")
    seconds = (promotion.ended_at - promotion.accepted_at).total_seconds()
    cause = f": {promotion.cause.splitlines()[0]}" if promotion.cause else ""
    return Text.assemble("  → ", (promotion.outcome, "bold"), f" after {seconds:.1f} s{cause}")
