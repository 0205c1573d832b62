"""Reads in the source of a migration who took upon himself what, and where it does something; executes nothing."""

import ast
import io
import re
import tokenize
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from promoter.errors import SchemaError
from promoter.records import HazardKind

MARK = re.compile(r"#\s*promoter\s*:\s*(?P<said>.*)")
FORM = re.compile(rf"acknowledge (?P<kind>{'|'.join(get_args(HazardKind))}): *(?P<reason>\S.*)")
WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Source:
    """What the file of one migration says about itself."""

    file: str
    """From the repository's root."""
    acknowledged: Mapping[HazardKind, str]
    """The reason given for each kind of hazard."""
    line: int
    """Where `upgrade` begins, 1 where there is none."""
    statements: tuple[tuple[int, frozenset[str]], ...]
    """The line of each statement of `upgrade`, and the words of its texts."""

    def line_of(self, text: str) -> int:
        """Return the line of the statement that has most words in common with `text`, else where `upgrade` begins."""
        wanted = set(WORD.findall(text))
        found = max(self.statements, key=lambda one: len(one[1] & wanted), default=(self.line, frozenset[str]()))
        return found[0] if found[1] & wanted else self.line


def read(path: Path, checkout: Path) -> Source:
    """Read a version file of `checkout`; raise SchemaError, with file and line, for an acknowledgement that is not one."""
    text = path.read_bytes()
    tree = ast.parse(text, str(path))
    file = str(path.resolve().relative_to(checkout.resolve()))
    upgrade = next((one for one in tree.body if isinstance(one, ast.FunctionDef) and one.name == "upgrade"), None)
    return Source(
        file=file,
        acknowledged=_acknowledged(text, file),
        line=upgrade.lineno if upgrade else 1,
        statements=tuple((one.lineno, _words(one)) for one in upgrade.body) if upgrade else (),
    )


def _acknowledged(text: bytes, file: str) -> dict[HazardKind, str]:
    found: dict[HazardKind, str] = {}
    for token in tokenize.tokenize(io.BytesIO(text).readline):
        if token.type != tokenize.COMMENT or not (mark := MARK.match(token.string)):
            continue
        form = FORM.fullmatch(mark["said"].strip())
        if form is None:
            raise SchemaError(
                f"{file}:{token.start[0]}: `{token.string}` acknowledges nothing",
                hint="Write `# promoter: acknowledge destructive: REASON` or `# promoter: acknowledge incompatible: REASON`.",
            )
        kind = next(kind for kind in get_args(HazardKind) if kind == form["kind"])
        found[kind] = form["reason"].strip()
    return found


def _words(node: ast.stmt) -> frozenset[str]:
    texts = [one.value for one in ast.walk(node) if isinstance(one, ast.Constant) and isinstance(one.value, str)]
    return frozenset(word for text in texts for word in WORD.findall(text))
