"""Prints what was found: tables at a terminal, aligned lines elsewhere. Text from outside is shown as plain text."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from rich.console import Console
from rich.table import Table
from rich.text import Text

from promoter.text import printable

LONGEST = 120
"""Characters of one cell."""


def rows(console: Console, columns: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
    """Print a list."""
    shown = [[printable(cell, LONGEST) for cell in row] for row in cells]
    if console.is_terminal:
        console.print(_table(columns, shown))
    else:
        _print_aligned(console, [[column.upper() for column in columns], *shown])


def facts(console: Console, found: Mapping[str, Mapping[str, str]]) -> None:
    """Print the same facts of several things: thing → fact → text, one column for each thing at a terminal."""
    names = list(dict.fromkeys(name for one in found.values() for name in one))
    shown = {thing: {name: printable(one.get(name, ""), LONGEST) for name in names} for thing, one in found.items()}
    if console.is_terminal:
        console.print(_table(["", *found], [[name, *(one[name] for one in shown.values())] for name in names]))
    else:
        _print_aligned(console, [[thing, name, one[name]] for thing, one in shown.items() for name in names])


def when(moment: datetime | None) -> str:
    """Return a moment in the time zone of whoever looks."""
    return "" if moment is None else f"{moment.astimezone():%Y-%m-%d %H:%M:%S}"


def _table(columns: Sequence[str], shown: Sequence[Sequence[str]]) -> Table:
    table = Table(*columns)
    for row in shown:
        table.add_row(*(Text(cell) for cell in row))
    return table


def _print_aligned(console: Console, shown: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    for row in shown:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        console.print(Text(line.rstrip()), soft_wrap=True)
