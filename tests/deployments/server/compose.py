"""Reads deployments/server/compose.yaml as Docker does, as far as it uses the language: anchors, merges and variables."""

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

FOLDER = Path(__file__).parents[3] / "deployments" / "server"
FILE = FOLDER / "compose.yaml"
VARIABLE = re.compile(r"\$(?:\$|\{(?P<name>\w+)(?:(?P<operator>:?[-?+])(?P<word>[^}]*))?\})")
"""`$$`, `${NAME}`, `${NAME:?message}` or `${NAME:-default}`: all that the file may use."""
SECRETS = {
    "POSTGRES_PASSWORD": "of-the-superuser",
    "PREFECT_AUTH_STRING": "admin:of-prefect",
    "PREFECT_DATABASE_PASSWORD": "of-the-role-prefect",
    "PROMOTER_DOMAIN": "promoter.example.org",
    "PROMOTER_LEDGER_PASSWORD": "of-the-role-promoter",
    "PROMOTER_REGISTRY_PASSWORD": "of-the-registry",
    "PROMOTER_REGISTRY_USERNAME": "robot",
    "PROMOTER_WEBHOOK_SECRET": "of-the-webhook",
    "REDIS_PASSWORD": "ofRedis",
}
"""What `.env` has to hold; nothing of it has a default."""


class UnsetError(Exception):
    """A variable that has to be set is not; the message is the file's."""


def services(variables: Mapping[str, str] = SECRETS) -> dict[str, dict[str, Any]]:
    """Return every service with its variables filled in. Raises UnsetError where one is missing."""
    return dict(_filled(YAML(typ="safe").load(FILE), variables)["services"])


def environment(name: str, variables: Mapping[str, str] = SECRETS) -> dict[str, str]:
    """Return the environment that a service sets; a name without a value is left to the shell."""
    return {key: value for key, value in services(variables)[name].get("environment", {}).items() if value is not None}


def commands(name: str) -> list[list[str]]:
    """Return the commands of a service, a shell's line by line."""
    command = services()[name]["command"]
    return [shlex.split(line) for line in command[-1].splitlines()] if command[0] == "sh" else [command]


def variables_of(text: str) -> list[tuple[str, str | None, str | None]]:
    """Return each use of a variable in `text`: name, operator, word."""
    return [(one["name"], one["operator"], one["word"]) for one in VARIABLE.finditer(text) if one["name"]]


def _filled(part: Any, variables: Mapping[str, str]) -> Any:
    if isinstance(part, dict):
        return {name: _filled(value, variables) for name, value in part.items()}
    if isinstance(part, list):
        return [_filled(value, variables) for value in part]
    return VARIABLE.sub(lambda found: _value(found, variables), part) if isinstance(part, str) else part


def _value(found: "re.Match[str]", variables: Mapping[str, str]) -> str:
    if found["name"] is None:
        return "$"
    if value := variables.get(found["name"]):
        return value
    if found["operator"] == ":-":
        return str(found["word"])
    raise UnsetError(f"{found['name']}: {found['word']}")
