"""Judges one health answer: status, database and the exact version; pure."""

import json
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Literal

from promoter.config import HealthAnswer
from promoter.errors import HealthError
from promoter.text import printable

Kind = Literal[
    "right", "no answer", "redirect", "status code", "too long", "no JSON", "status", "database", "version", "fleet"
]


@dataclass(frozen=True)
class Answer:
    """What one request for the health of a service found."""

    kind: Kind
    detail: str
    """One line for people: what was wrong, or what was right."""
    version: str | None = None
    """The version as it stood in the answer; None where none could be read."""


def accepted_versions(tag: str, branch: str) -> frozenset[str]:
    """Return the versions that the release `tag` of `branch` may answer with.

    A clean tag may carry the last part of the branch: `v1.0.5` on `main` is `v1.0.5` or `v1.0.5-main`. One with a suffix stands for itself.
    Raises HealthError for an empty tag, which every broken answer would match.
    """
    if not tag:
        raise HealthError("there is no version to expect in the health answer")
    suffix = branch.rpartition("/")[2]
    return frozenset({tag} if "-" in tag or not suffix else {tag, f"{tag}-{suffix}"})


def judge(body: bytes, fields: HealthAnswer, accepted: AbstractSet[str] | None) -> Answer:
    """Return what the JSON `body` says; one of `accepted` is to be its exact version, None takes any version and none."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return Answer("no JSON", f"no JSON: {_excerpt(body)}")
    version = _text(_reach(document, fields.version)) or None
    wrong = _wrong(document, fields)
    if wrong is not None:
        return Answer(*wrong, version)
    shown = f"version {printable(version, 60)!r}" if version else f"no {fields.version} in {_excerpt(body)}"
    if accepted is not None and version not in accepted:
        return Answer("version", f"{shown}, expected {_alternatives(accepted)}", version)
    return Answer("right", f"healthy, {shown}", version)


def _wrong(document: object, fields: HealthAnswer) -> tuple[Kind, str] | None:
    wanted: list[tuple[Kind, str | None, tuple[str, ...]]] = [
        ("status", fields.status, fields.status_values),
        ("database", fields.database, fields.database_values),
    ]
    for kind, path, values in wanted:
        if path is not None and (found := _text(_reach(document, path))) not in values:
            shown = "missing" if found is None else repr(printable(found, 60))
            return kind, f"{path} is {shown}, expected {_alternatives(values)}"
    return None


def _reach(document: object, path: str) -> object:
    """Return what the dotted `path` leads to, None if it leads nowhere."""
    found: Any = document
    for part in path.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found


def _text(value: object) -> str | None:
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else None


def _alternatives(values: AbstractSet[str] | tuple[str, ...]) -> str:
    return " or ".join(sorted(values, key=len))


def _excerpt(body: bytes) -> str:
    return printable(body[:400].decode(errors="replace"), 80) or "an empty body"
