"""The rooms of the house: imports go one way."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ORDER = ["promoter", "tasks", "flows", "deployments"]


def imported(file: Path) -> set[str]:
    """Return the first part of every module that `file` imports."""
    tree = ast.parse(file.read_text())
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
    return {name.split(".")[0] for name in names}


@pytest.mark.parametrize("room", ORDER)
def test_imports_go_one_way(room: str) -> None:
    """Nouns know no verbs, verbs no sentences, sentences no occasions."""
    later = set(ORDER[ORDER.index(room) + 1 :])

    offenders = {file: found for file in (ROOT / room).rglob("*.py") if (found := imported(file) & later)}

    assert offenders == {}


def test_the_nouns_know_nothing_of_prefect() -> None:
    """`promoter/` imports no Prefect, so the command line starts in a blink."""
    offenders = [file for file in (ROOT / "promoter").rglob("*.py") if "prefect" in imported(file)]

    assert offenders == []
