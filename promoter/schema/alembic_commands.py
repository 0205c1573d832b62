"""Says a schema change in the words of plain `alembic`, for an image that has nothing but the service's own code; pure."""

from collections.abc import Sequence
from typing import Literal

from promoter.errors import SchemaError
from promoter.schema.revisions import Script

Direction = Literal["upgrade", "downgrade"]


def commands(
    template: Sequence[str], direction: Direction, start: tuple[str, ...], target: tuple[str, ...], script: Script
) -> list[tuple[str, ...]]:
    """Return the argument lists that take a database from the heads `start` to exactly `target`, in their order.

    `template` is `migrations.command`. Raises SchemaError where plain Alembic has no words for it.
    """
    names = _up(target, script) if direction == "upgrade" else _down(start, target, script)
    return [expand(template, direction, name) for name in names]


def expand(template: Sequence[str], direction: Direction, target: str) -> tuple[str, ...]:
    """Return `template` with its placeholders filled in; nothing goes through a shell."""
    return tuple(part.replace("{command}", direction).replace("{target}", target) for part in template)


def _up(target: tuple[str, ...], script: Script) -> tuple[str, ...]:
    return ("heads",) if len(target) > 1 and target == script.heads else target


def _down(start: tuple[str, ...], target: tuple[str, ...], script: Script) -> tuple[str, ...]:
    """Return `base` or the one revision to go down to.

    `alembic downgrade X` takes back whatever follows X, on every branch, and leaves branches that do not: exact only on one line.
    """
    if not target:
        return ("base",)
    taken_back = script.between(target, start)
    line = [*target, *(one.id for one in taken_back)]
    straight = all(one.down == (below,) for below, one in zip(line, taken_back, strict=False))
    if len(target) == len(start) == 1 and straight and not any(one.depends_on for one in taken_back):
        return target
    raise SchemaError(
        f"plain Alembic cannot take the schema from {', '.join(start)} down to exactly {', '.join(target)}: "
        "the revisions between them are not one line",
        hint='Nothing was changed. Downgrade by hand, or roll back with `runner = "subprocess"` in [migrations].',
    )
