"""The sources of the sample service as data, and back."""

from collections.abc import Mapping
from pathlib import Path

Files = Mapping[str, str]
"""Text by path, from the repository's root."""

TEMPLATE = Path(__file__).with_name("template")
BYPRODUCTS = {"__pycache__", ".pytest_cache", ".ruff_cache", ".git", ".venv"}


def template() -> Files:
    """Return the first version of the sample service."""
    return read(TEMPLATE)


def read(folder: Path) -> Files:
    """Return the files below `folder`, without what git and tools keep there."""
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file())
    kept = (path for path in paths if not BYPRODUCTS & set(path.relative_to(folder).parts))
    return {path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8") for path in kept}


def write(files: Files, folder: Path) -> Path:
    """Make the files below `folder` those of `files`, and return it; unchanged ones are left alone."""
    there = read(folder) if folder.is_dir() else {}
    for path in there.keys() - files.keys():
        (folder / path).unlink()
    for path, text in files.items():
        if there.get(path) != text:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
    return folder
