"""Reads one service's TOML file into its models, or says what is wrong in it."""

import tomllib
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from promoter.config.models import PATTERNS, Service
from promoter.config.problems import did_you_mean, explain
from promoter.errors import ConfigurationError


def load(path: Path) -> Service:
    """Read one service file; raise ConfigurationError with file, key, what was expected and the nearest right name."""
    data = _parse(path)
    try:
        return Service.model_validate(data)
    except ValidationError as error:
        lines = [f"{path}: {line}" for line in explain(error, Service, data, PATTERNS)]
        raise ConfigurationError("\n".join(lines), hint="Mend the file; nothing was changed.") from error


def find(name: str, folder: Path) -> Service:
    """Return the service called `name` among the files of `folder`, or raise ConfigurationError."""
    path = folder / f"{name}.toml"
    if not path.is_file():
        known = sorted(file.stem for file in folder.glob("*.toml"))
        raise ConfigurationError(
            f"no service {name!r} in {folder}; there are: {', '.join(known) or 'none'}", hint=did_you_mean(name, known)
        )
    service = load(path)
    if service.name != name:
        raise ConfigurationError(f"{path}: name: is {service.name!r}, expected {name!r}, the name of the file")
    return service


def load_all(folder: Path) -> tuple[Service, ...]:
    """Return every service of `folder` by the order of their names; raise ConfigurationError as `find` does."""
    return tuple(find(file.stem, folder) for file in sorted(folder.glob("*.toml")))


def _parse(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path}: is not TOML: {error}") from error
