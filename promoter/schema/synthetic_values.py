"""Makes up a value for a column of any type: plain, legal, and another one for another number."""

import json
import re
from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True)
class Column:
    """A column as far as a value for it depends on it."""

    number: int
    name: str
    required: bool
    own: bool
    """The database makes its values: identity, generated or a sequence."""
    type: str
    """As `format_type` writes it, domains resolved."""
    element: str
    """The type's plain name; of an array its element's."""
    array: bool
    labels: list[str]
    """Of an enum."""


def value(column: Column, number: int) -> str:
    """Return a text that PostgreSQL casts to the column's type; another one for another `number`."""
    if column.labels:
        made = column.labels[0 if (number + 1) // 2 % 2 else -1]
    else:
        made = VALUES.get(column.element, "{n}").replace("{n}", str(number)).replace("{0n}", f"{number % 28 + 1:02d}")
    if column.element in {"text", "varchar", "bpchar", "citext", "name"}:
        made = _text(column, number)
    elif column.element == "uuid":
        made = str(UUID(int=number))
    elif column.element == "bit":
        made = "1" * _size(column, 1)
    elif column.element == "numeric" and (limits := re.search(r"\((\d+),(\d+)\)", column.type)):
        made = str(number) if int(limits[1]) > int(limits[2]) else f"0.{number}"
    return f"{{{json.dumps(made)}}}" if column.array else made


def _text(column: Column, number: int) -> str:
    """Mix capitals and small letters, so that a migration which changes them leaves a trace."""
    size = _size(column, 60)
    return f"{number}"[-size:] if size < 4 else f"{number}-{column.name.capitalize()}"[:size]


def _size(column: Column, otherwise: int) -> int:
    limit = re.search(r"\((\d+)\)", column.type)
    return int(limit[1]) if limit else otherwise


VALUES = {
    "bool": "true",
    "date": "2001-02-{0n}",
    "timestamp": "2001-02-{0n} 03:04:05",
    "timestamptz": "2001-02-{0n} 03:04:05+00",
    "time": "03:04:{0n}",
    "timetz": "03:04:{0n}+00",
    "interval": "{n} hours",
    "json": '{"n": {n}}',
    "jsonb": '{"n": {n}}',
    "bytea": "\\x{0n}",
    "inet": "192.0.2.{0n}",
    "cidr": "192.0.2.{0n}/32",
    "macaddr": "00:00:5e:00:53:{0n}",
    "macaddr8": "00:00:5e:00:53:00:00:{0n}",
    "varbit": "1",
    "xml": "<n>{n}</n>",
    "hstore": "n=>{n}",
    "tsvector": "word{n}",
    "tsquery": "word{n}",
    "point": "({n},{n})",
    "line": "{1,1,{n}}",
    "lseg": "[(0,0),({n},{n})]",
    "box": "({n},{n}),(0,0)",
    "path": "[(0,0),({n},{n})]",
    "polygon": "((0,0),({n},{n}))",
    "circle": "<(0,0),{n}>",
    "int4range": "[{n},{n}]",
    "int8range": "[{n},{n}]",
    "numrange": "[{n},{n}]",
    "daterange": "[2001-02-{0n},2001-02-{0n}]",
    "tsrange": "[2001-02-{0n},2001-02-{0n}]",
    "tstzrange": "[2001-02-{0n},2001-02-{0n}]",
    "int4multirange": "{[{n},{n}]}",
    "int8multirange": "{[{n},{n}]}",
    "nummultirange": "{[{n},{n}]}",
    "datemultirange": "{[2001-02-{0n},2001-02-{0n}]}",
    "tsmultirange": "{[2001-02-{0n},2001-02-{0n}]}",
    "tstzmultirange": "{[2001-02-{0n},2001-02-{0n}]}",
    "ltree": "n{n}",
}
"""One literal for each type by its name in pg_type; what is missing here gets a number."""
