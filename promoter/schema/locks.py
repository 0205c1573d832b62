"""Says which table locks a statement takes, from its kind alone; pure.

The modes are those of https://www.postgresql.org/docs/current/explicit-locking.html, and of the pages of the statements where that one
says "some forms". What a statement does inside a function, by a trigger or by CASCADE, it does not say, and neither does this.
"""

import re
from collections.abc import Iterator

from promoter.records import TableLock
from promoter.schema import statements

MODES = (
    "ACCESS SHARE",
    "ROW SHARE",
    "ROW EXCLUSIVE",
    "SHARE UPDATE EXCLUSIVE",
    "SHARE",
    "SHARE ROW EXCLUSIVE",
    "EXCLUSIVE",
    "ACCESS EXCLUSIVE",
)
"""From the weakest to the strongest."""
NAME = r'(?:"(?:[^"]|"")+"|\w+)(?:\.(?:"(?:[^"]|"")+"|\w+))*'
TABLE = rf"(?:ONLY )?(?P<table>{NAME}(?: ?, ?{NAME})*)"

RULES = tuple(
    (re.compile(pattern.replace("{TABLE}", TABLE), re.IGNORECASE), mode)
    for pattern, mode in (
        (r"CREATE (?:UNIQUE )?INDEX CONCURRENTLY .*? ?ON {TABLE}", "SHARE UPDATE EXCLUSIVE"),
        (r"CREATE (?:UNIQUE )?INDEX .*? ?ON {TABLE}", "SHARE"),
        (r"DROP INDEX CONCURRENTLY (?:IF EXISTS )?{TABLE}", "SHARE UPDATE EXCLUSIVE"),
        (r"ALTER INDEX (?:IF EXISTS )?{TABLE} RENAME", "SHARE UPDATE EXCLUSIVE"),
        (r"COMMENT ON TABLE {TABLE}", "SHARE UPDATE EXCLUSIVE"),
        (r"COMMENT ON COLUMN {TABLE}\.\w+ IS", "SHARE UPDATE EXCLUSIVE"),
        (r"(?:VACUUM|ANALYZE) {TABLE}", "SHARE UPDATE EXCLUSIVE"),
        (r"CREATE STATISTICS .* FROM {TABLE}", "SHARE UPDATE EXCLUSIVE"),
        (r"REINDEX (?:INDEX|TABLE) CONCURRENTLY {TABLE}", "SHARE UPDATE EXCLUSIVE"),
        (r"CREATE (?:OR REPLACE )?(?:CONSTRAINT )?TRIGGER .*? ON {TABLE}", "SHARE ROW EXCLUSIVE"),
        (r"REFRESH MATERIALIZED VIEW CONCURRENTLY {TABLE}", "EXCLUSIVE"),
        (r"(?:INSERT|MERGE) INTO {TABLE}", "ROW EXCLUSIVE"),
        (r"UPDATE {TABLE}", "ROW EXCLUSIVE"),
        (r"DELETE FROM {TABLE}", "ROW EXCLUSIVE"),
        (r"COPY {TABLE} .*FROM", "ROW EXCLUSIVE"),
        (r"SELECT .* FROM {TABLE} .*FOR (?:NO KEY )?(?:UPDATE|SHARE|KEY SHARE)", "ROW SHARE"),
        (r"SELECT .* FROM {TABLE}", "ACCESS SHARE"),
        (r"DROP (?:TABLE|INDEX|VIEW|MATERIALIZED VIEW) (?:IF EXISTS )?{TABLE}", "ACCESS EXCLUSIVE"),
        (r"TRUNCATE (?:TABLE )?{TABLE}", "ACCESS EXCLUSIVE"),
        (r"(?:CREATE|DROP|ALTER) POLICY .*? ON {TABLE}", "ACCESS EXCLUSIVE"),
        (r"DROP (?:TRIGGER|RULE) .*? ON {TABLE}", "ACCESS EXCLUSIVE"),
        (r"(?:CLUSTER|VACUUM FULL|REINDEX (?:INDEX|TABLE)|REFRESH MATERIALIZED VIEW) {TABLE}", "ACCESS EXCLUSIVE"),
    )
)
ALTER = re.compile(rf"ALTER (?:FOREIGN )?TABLE (?:IF EXISTS )?{TABLE} ?\*? (?P<actions>.+)", re.IGNORECASE)
CREATE = re.compile(
    rf"CREATE (?:UNLOGGED |TEMP(?:ORARY)? )?(?:TABLE|VIEW|MATERIALIZED VIEW) (?:IF NOT EXISTS )?(?P<table>{NAME})",
    re.IGNORECASE,
)
REFERENCES = re.compile(rf"\bREFERENCES (?P<table>{NAME})", re.IGNORECASE)
EXPLICIT = re.compile(rf"LOCK (?:TABLE )?{TABLE}(?: IN (?P<mode>[A-Z ]+) MODE)?", re.IGNORECASE)
GENTLE = re.compile(
    r"VALIDATE CONSTRAINT|ALTER (?:COLUMN )?\S+ SET (?:STATISTICS|\()|SET ?\(|RESET ?\(|CLUSTER ON|SET WITHOUT CLUSTER"
    r"|ATTACH PARTITION|DETACH PARTITION \S+ (?:CONCURRENTLY|FINALIZE)",
    re.IGNORECASE,
)
"""Forms of ALTER TABLE that take SHARE UPDATE EXCLUSIVE, https://www.postgresql.org/docs/current/sql-altertable.html."""
FIRM = re.compile(r"ADD (?:CONSTRAINT \S+ )?FOREIGN KEY|(?:ENABLE|DISABLE) TRIGGER", re.IGNORECASE)
"""Forms that take SHARE ROW EXCLUSIVE, from the same page."""


def taken(sql: str) -> tuple[TableLock, ...]:
    """Return the strongest lock that `sql` takes on each table that is there already, in the order of the statements."""
    found: dict[str, str] = {}
    new: set[str] = set()
    for statement in statements.split(sql):
        for table, mode in _of(statement):
            if table not in new and MODES.index(mode) >= MODES.index(found.get(table, MODES[0])):
                found[table] = mode
        if made := CREATE.match(statement):
            new.add(_plain(made["table"]))
    return tuple(TableLock(table, mode) for table, mode in found.items())


def waits(mode: str) -> str:
    """Say who has to wait while a lock of `mode` is held."""
    if mode == "ACCESS EXCLUSIVE":
        return "reads and writes wait"
    return "writes wait" if MODES.index(mode) >= MODES.index("SHARE") else "nobody waits"


def _of(statement: str) -> Iterator[tuple[str, str]]:
    if altered := ALTER.match(statement):
        yield _plain(altered["table"]), max(map(_action, _parts(altered["actions"])), key=MODES.index)
    elif explicit := EXPLICIT.match(statement):
        mode = (explicit["mode"] or "ACCESS EXCLUSIVE").upper()
        yield from ((table, mode) for table in _tables(explicit["table"]))
    elif found := next((match, mode) for rule, mode in (*RULES, (ANYTHING, "")) if (match := rule.match(statement))):
        yield from ((table, found[1]) for table in _tables(found[0].groupdict().get("table", "")))
    if altered or CREATE.match(statement):
        yield from ((_plain(one["table"]), "SHARE ROW EXCLUSIVE") for one in REFERENCES.finditer(statement))


ANYTHING = re.compile("")
"""What is left takes no lock that this file knows of."""


def _action(action: str) -> str:
    if GENTLE.match(action):
        return "SHARE UPDATE EXCLUSIVE"
    return "SHARE ROW EXCLUSIVE" if FIRM.match(action) else "ACCESS EXCLUSIVE"


def _parts(actions: str) -> list[str]:
    """Split at the commas that stand in no parentheses."""
    depth, parts = 0, [""]
    for character in actions:
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts]


def _tables(names: str) -> list[str]:
    return [_plain(name) for name in names.split(",") if name.strip()]


def _plain(name: str) -> str:
    return name.strip().replace('"', "").removeprefix("public.")
