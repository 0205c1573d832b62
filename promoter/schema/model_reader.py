"""Writes the tables and columns that a service's models map, as one JSON file; the service's own interpreter executes this.

The first argument is `package.module:name`, where the name is a declarative base, a MetaData or a registry; the second is the file. Nothing
is asked of a database, so any driver will do.
"""

from __future__ import annotations

import sys

if __name__ == "__main__":
    del sys.path[0]  # this folder: its `secrets` must not hide the standard library's

import json
from importlib import import_module
from typing import Any


def main() -> None:
    """Import the models and write what they map."""
    place, answer = sys.argv[1:]
    module, _, name = place.partition(":")
    found: Any = import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    tables = mapped(getattr(found, "metadata", found))
    with open(answer, "w", encoding="utf-8") as file:  # noqa: PTH123 - as plain as can be
        json.dump(tables, file)


def mapped(metadata: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - the MetaData of any SQLAlchemy
    """Return schema (None is the default one), name and columns of every table."""
    return [
        {"schema": table.schema, "name": table.name, "columns": [column.name for column in table.columns]}
        for table in metadata.sorted_tables
    ]


if __name__ == "__main__":
    main()
