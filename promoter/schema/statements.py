"""Splits SQL into statements as PostgreSQL's own lexer would: a semicolon in a string, a comment or a body ends nothing."""

import re
from collections.abc import Iterator

TOKEN = re.compile(
    r"""
    (?P<comment>--[^\n]*|/\*.*?\*/)
    | '(?:[^']|'')*' | "(?:[^"]|"")*" | \$(?P<tag>\w*)\$.*?\$(?P=tag)\$
    | (?P<end>;) | [^-/'"$;]+ | .
    """,
    re.DOTALL | re.VERBOSE,
)
"""https://www.postgresql.org/docs/current/sql-syntax-lexical.html"""


def split(text: str) -> list[str]:
    """Return the statements of `text`, each on one line, without comments and semicolons."""
    return [line for statement in _statements(text) if (line := " ".join(statement.split()))]


def _statements(text: str) -> Iterator[str]:
    parts: list[str] = []
    for token in TOKEN.finditer(text):
        if token["end"]:
            yield "".join(parts)
            parts = []
        else:
            parts.append(" " if token["comment"] else token[0])
    yield "".join(parts)
