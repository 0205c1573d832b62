"""Reads the Alembic revisions of a checkout from their source, and executes none of it."""

import ast
import re
import tomllib
import warnings
from collections.abc import Iterator, Mapping
from configparser import Error as ConfigParserError
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from alembic.config import Config
from alembic.script.revision import Revision as Node
from alembic.script.revision import RevisionError, RevisionMap
from alembic.util import CommandError as AlembicError

from promoter import config
from promoter.bounds import is_inside
from promoter.errors import SchemaError

Downgrade = Literal["code", "empty", "missing", "raises"]

VERSION_FILE = re.compile(r"(?!\.#|__init__).*\.py$")
"""The names that Alembic itself reads; see alembic/script/base.py."""
RESERVED = ("base", "current", "head", "heads")
"""Symbols of https://alembic.sqlalchemy.org/en/latest/tutorial.html#viewing-history-ranges and its commands."""
LONGEST_ID = 32
"""`alembic_version.version_num` is VARCHAR(32)."""


@dataclass(frozen=True)
class Revision:
    """One migration, as its source says."""

    id: str
    down: tuple[str, ...]
    """The revisions it follows; several for a merge."""
    depends_on: tuple[str, ...]
    labels: tuple[str, ...]
    """Names of the branch that begins here."""
    message: str
    """The first line of its docstring, "" without one."""
    path: Path
    line: int
    """Where `downgrade` begins; 1 where there is none."""
    downgrade: Downgrade
    """What the source of `downgrade` is; `code` promises nothing, only a rehearsal does."""


@dataclass(frozen=True)
class Script:
    """All revisions of a checkout: a graph that Alembic's own RevisionMap has ordered and found sound."""

    revisions: tuple[Revision, ...]
    directory: Path = field(compare=False)
    """Where Alembic runs."""

    @cached_property
    def by_id(self) -> Mapping[str, Revision]:
        """Every revision by its id."""
        return {revision.id: revision for revision in self.revisions}

    @cached_property
    def heads(self) -> tuple[str, ...]:
        """The heads that a database at `heads` holds, sorted: no head that another revision depends on."""
        return tuple(sorted(node.revision for node in self._map.get_revisions("heads") if isinstance(node, Node)))

    def pending(self, current: tuple[str, ...]) -> tuple[Revision, ...]:
        """Return what `alembic upgrade heads` would run on a database at the heads `current`, in its order."""
        return self.between(current, self.heads)

    def between(self, lower: tuple[str, ...], upper: tuple[str, ...]) -> tuple[Revision, ...]:
        """Return the revisions that `upper` holds and `lower` does not, oldest first."""
        self.know((*lower, *upper))
        if not upper:
            return ()
        nodes = list(self._map.iterate_revisions(upper, lower or "base", implicit_base=True))
        return tuple(self.by_id[node.revision] for node in reversed(nodes))

    def after(self, heads: tuple[str, ...], revision: Revision) -> tuple[str, ...]:
        """Return the heads of a database at `heads` once `revision` ran too, sorted."""
        kept = [head for head in heads if not self.is_ancestor((head,), (revision.id,))]
        return tuple(sorted((*kept, revision.id)))

    def is_ancestor(self, older: tuple[str, ...], newer: tuple[str, ...]) -> bool:
        """Say whether a database at `newer` has every revision of one at `older`."""
        return not self.between(newer, older)

    def know(self, ids: tuple[str, ...]) -> None:
        """Raise SchemaError if one of `ids` is no revision of this checkout."""
        unknown = [name for name in ids if name not in self.by_id]
        if unknown:
            raise SchemaError(
                f"{self.directory}: the database is at {', '.join(unknown)}, which is no revision of this checkout",
                hint="Its migration is on another branch or was removed: merge it in, or promote a commit that has it.",
            )

    @cached_property
    def _map(self) -> RevisionMap:
        return RevisionMap(lambda: map(_node, self.revisions))


def script(checkout: Path, rule: config.Migrations) -> Script:
    """Read the revisions below `checkout`; raise SchemaError, with file and line, for what Alembic would not run either."""
    directory = _inside(checkout, checkout / rule.directory)
    revisions = tuple(_read(path) for path in _version_files(checkout, directory, rule))
    _refuse_broken_graph(revisions)
    found = Script(revisions, directory)
    try:
        _ = found.heads
    except RevisionError as error:
        raise SchemaError(f"{directory}: the revisions fit no order: {error}") from error
    return found


def _node(revision: Revision) -> Node:
    return Node(
        revision.id,
        revision.down or None,
        dependencies=revision.depends_on or None,
        branch_labels=revision.labels or None,
    )


def _refuse_broken_graph(revisions: tuple[Revision, ...]) -> None:
    seen: dict[str, Path] = {}
    for revision in revisions:
        if revision.id in seen:
            raise SchemaError(f"{revision.path}: revision {revision.id!r} is also in {seen[revision.id]}")
        seen[revision.id] = revision.path
    labels = {label for revision in revisions for label in revision.labels}
    for revision in revisions:
        for other in (*revision.down, *(set(revision.depends_on) - labels)):
            if other not in seen:
                raise SchemaError(
                    f"{revision.path}: revision {revision.id!r} follows {other!r}, which is in no version file"
                )


def _version_files(checkout: Path, directory: Path, rule: config.Migrations) -> Iterator[Path]:
    settings = _settings(checkout, directory, rule)
    pattern = "**/*.py" if settings.get("recursive_version_locations") else "*.py"
    seen = set()
    for location in settings["locations"]:
        folder = _inside(checkout, directory / _path(location))
        for path in sorted(folder.glob(pattern)):
            real = _inside(checkout, path)
            if VERSION_FILE.match(path.name) and real not in seen and "__pycache__" not in real.parts:
                seen.add(real)
                yield real


def _settings(checkout: Path, directory: Path, rule: config.Migrations) -> dict[str, Any]:
    ini, toml = directory / rule.config, directory / "pyproject.toml"
    for file in (ini, toml):
        _inside(checkout, file)
    if not ini.is_file() and not toml.is_file():
        raise SchemaError(f"{ini}: no such file", hint="Set [migrations] directory and config to where Alembic is.")
    alembic = Config(str(ini), toml_file=str(toml))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            home = alembic.get_alembic_option("script_location")
            locations = alembic.get_version_locations_list()
        recursive = alembic.get_alembic_boolean_option("recursive_version_locations")
    except (AlembicError, ConfigParserError, tomllib.TOMLDecodeError, UnicodeDecodeError, ValueError) as error:
        raise SchemaError(f"{ini}: cannot be read: {error}") from error
    if not home:
        raise SchemaError(f"{ini}: names no script_location")
    return {"locations": locations or [f"{home}/versions"], "recursive_version_locations": recursive}


def _path(location: str) -> Path:
    if not Path(location).is_absolute() and ":" in location:  # `package:folder`, which Alembic would import
        package, *parts = location.split(":")
        return Path(package.replace(".", "/"), *parts)
    return Path(location)


def _inside(checkout: Path, path: Path) -> Path:
    real = path.resolve()
    if not is_inside(path, checkout):
        raise SchemaError(
            f"{path}: leaves the checkout {checkout}", hint="Migrations are read from the checkout alone."
        )
    return real


def _read(path: Path) -> Revision:
    try:
        tree = ast.parse(path.read_bytes(), str(path))
    except (SyntaxError, ValueError, RecursionError, MemoryError, OSError) as error:
        raise SchemaError(f"{path}: is no Python: {error}") from error
    names = dict(_assignments(tree))
    downgrade = next(
        (node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "downgrade"), None
    )
    return Revision(
        id=_identifier(names, path),
        down=_names(names, "down_revision", path),
        depends_on=_names(names, "depends_on", path),
        labels=_names(names, "branch_labels", path),
        message=(ast.get_docstring(tree) or "").partition("\n")[0].strip(),
        path=path,
        line=downgrade.lineno if downgrade else 1,
        downgrade=_classify(downgrade),
    )


def _assignments(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    for node in tree.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
            yield node.target.id, node.value
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                yield from _pairs(target, node.value)


def _pairs(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    """Yield name and value of an assignment; `revision, down_revision = "b", "a"` are two."""
    if isinstance(target, ast.Name):
        yield target.id, value
    elif isinstance(target, ast.Tuple | ast.List) and isinstance(value, ast.Tuple | ast.List):
        for one, part in zip(target.elts, value.elts, strict=False):
            yield from _pairs(one, part)


def _identifier(names: dict[str, ast.expr], path: Path) -> str:
    found = _names(names, "revision", path)
    if len(found) != 1 or not 0 < len(found[0]) <= LONGEST_ID:
        raise SchemaError(f"{path}: `revision` must be one text of 1 to {LONGEST_ID} characters")
    if found[0] in RESERVED:
        raise SchemaError(
            f"{path}: no revision can be called {found[0]!r}",
            hint=f"Alembic means something else by {', '.join(RESERVED)}; give it another id, and its successor too.",
        )
    return found[0]


def _names(names: dict[str, ast.expr], name: str, path: Path) -> tuple[str, ...]:
    node = names.get(name)
    try:
        value = None if node is None else ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        value = 0
    if value is None:
        return ()
    values = (value,) if isinstance(value, str) else value
    if not isinstance(values, tuple | list | set) or not all(isinstance(one, str) for one in values):
        line = 1 if node is None else node.lineno
        raise SchemaError(
            f"{path}:{line}: `{name}` must be a literal text, a tuple of texts or None",
            hint="Nothing of a checkout is executed to find out; write the value down.",
        )
    return tuple(values)


def _classify(function: ast.FunctionDef | None) -> Downgrade:
    if function is None:
        return "missing"
    body = [node for node in function.body if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))]
    if any(isinstance(node, ast.Raise) for node in body):
        return "raises"
    return "code" if any(not isinstance(node, ast.Pass | ast.Return) for node in body) else "empty"
