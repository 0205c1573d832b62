"""Says whether a release that fits one schema can still run on the next: nothing it reads is gone, nothing it writes is refused.

Judged from two catalogues alone, so it is careful: what it cannot see through counts as an obstacle. What a data migration means to the
old code is not in any catalogue.
"""

import re
from collections.abc import Iterator, Mapping

from promoter.schema.snapshots import Snapshot

HARMLESS = ("COMMENT", "INDEX", "STATISTICS")
"""Kinds of objects that may vanish or change without any statement failing, unless they make rows unique."""
UNIQUE = re.compile(r"\bUNIQUE\b|\bPRIMARY KEY\b")
TARGET = re.compile(r"\b(?:ON|TABLE ONLY|TABLE) (?:ONLY )?(?P<table>[^\s(]+)")
COLUMNS = re.compile(r"\((?P<columns>[^()]*)\)")
LABEL = re.compile(r"'((?:[^']|'')*)'")


def obstacles(before: Snapshot, after: Snapshot) -> tuple[str, ...]:
    """Return what in `after` a release made for `before` would run against, sorted; empty where it can run.

    Each is a sentence for people: `TABLE notes: column colour is gone`.
    """
    found = [*_missing(before, after), *_differing(before, after), *_new(before, after)]
    return tuple(sorted(found))


def _missing(before: Snapshot, after: Snapshot) -> Iterator[str]:
    for name, body in before.objects.items():
        if name not in after.objects and (not name.startswith(HARMLESS) or UNIQUE.search(body)):
            if _relaxes(name, body):
                continue
            yield f"{name} is gone"


def _relaxes(name: str, body: str) -> bool:
    """Say whether the end of this object only allows more: a foreign key or a check."""
    return "CONSTRAINT" in name and not UNIQUE.search(body)


def _differing(before: Snapshot, after: Snapshot) -> Iterator[str]:
    for name, body in before.objects.items():
        now = after.objects.get(name)
        if now is None or now == body or name.startswith(HARMLESS):
            continue
        if name.startswith("TABLE "):
            yield from _table(name, body, now, after.objects)
        elif not _gains_labels(body, now):
            yield f"{name} differs"


def _table(name: str, body: str, now: str, objects: Mapping[str, str]) -> Iterator[str]:
    old, new = _lines(body), _lines(now)
    for column, definition in old.items():
        if column not in new:
            if not column.startswith("CONSTRAINT "):  # its end only allows more
                yield f"{name}: column {column} is gone"
        elif new[column] not in {definition, definition.replace(" NOT NULL", "")}:
            yield f"{name}: column {column} was `{definition}` and is `{new[column]}`"
    for column in new.keys() - old.keys():
        if column.startswith("CONSTRAINT "):
            yield f"{name}: {column} is new"
        elif not _may_be_left_out(name, column, new[column], objects):
            yield f"{name}: new column {column} is NOT NULL and has no default"


def _lines(body: str) -> dict[str, str]:
    """Return the columns and inline constraints of a CREATE TABLE, by name."""
    found = {}
    for line in (line.strip() for line in body.splitlines()[1:] if line.startswith(" ")):
        words = line.split(" ", 2)
        constraint = words[0] == "CONSTRAINT" and len(words) == 3
        name, rest = (f"CONSTRAINT {words[1]}", words[2]) if constraint else (words[0], line.partition(" ")[2])
        found[name] = rest
    return found


def _may_be_left_out(table: str, column: str, definition: str, objects: Mapping[str, str]) -> bool:
    if "NOT NULL" not in definition or " DEFAULT " in definition or " GENERATED " in definition:
        return True
    name = table.removeprefix("TABLE ")
    identity = f"ALTER COLUMN {column} ADD GENERATED"
    return f"DEFAULT {name} {column}" in objects or any(identity in body for body in objects.values())


def _gains_labels(body: str, now: str) -> bool:
    """Say whether both are one enum, and only labels were added."""
    return " AS ENUM " in body and " AS ENUM " in now and set(LABEL.findall(body)) <= set(LABEL.findall(now))


def _new(before: Snapshot, after: Snapshot) -> Iterator[str]:
    """Yield new rules for tables that were there before: the old release does not know that it has to keep them."""
    known = {
        name.removeprefix("TABLE "): _lines(body) for name, body in before.objects.items() if name.startswith("TABLE ")
    }
    for name, body in after.objects.items():
        rules = name.startswith("TRIGGER") or "CONSTRAINT" in name or (name.startswith("INDEX") and UNIQUE.search(body))
        if name in before.objects or not rules:
            continue
        target = TARGET.search(body)
        table = "" if target is None else target["table"].removeprefix("public.")
        if table in known and not _binds_new_columns_only(body, known[table]):
            yield f"{name} is new"


def _binds_new_columns_only(body: str, old: Mapping[str, str]) -> bool:
    """Say whether a rule speaks of columns alone that the old release does not write."""
    columns = COLUMNS.search(body)
    if columns is None or "CHECK" in body or "TRIGGER" in body:
        return False
    return not {one.strip().strip('"') for one in columns["columns"].split(",")} & old.keys()
