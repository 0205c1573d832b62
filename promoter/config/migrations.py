"""Where the migrations of a service are, how they are run, and how long they may take."""

import re
from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, field_validator

from promoter.config.base import Command, Model, Seconds

MigrationRunner = Literal["subprocess", "ecs-task"]
OBJECT = r"^([A-Za-z_][\w.]*:[A-Za-z_][\w.]*)?$"
PLACEHOLDER = re.compile(r"(?<![$\\])\{(\w*)\}")
"""`{name}`, but not `${name}`, which is a shell's."""


class Migrations(Model):
    """Where the Alembic migrations are, and what runs them."""

    directory: str = "."
    """The working directory of Alembic, from the repository's root."""
    config: str = "alembic.ini"
    """From `directory`."""
    version_table: str = "alembic_version"
    """`table` or `schema.table`, as the service's env.py configures it."""
    models: Annotated[str, StringConstraints(pattern=OBJECT)] = ""
    """`package.module:Base`: the models that are tried, as the running release has them, on the new schema; "" tries none."""
    runner: MigrationRunner = "subprocess"
    """A process of the worker in the service's locked environment, or an ECS task of the release's image."""
    command: Command = ("alembic", "{command}", "{target}")
    """What the ECS task runs: `{command}` is upgrade or downgrade, `{target}` a revision, `heads` or `base`."""
    variables: dict[str, str] = Field(default_factory=dict)
    """Plain variables of the ECS task. `{settings}` is the session's settings as a part of a URL's query, for drivers that do not read PGOPTIONS."""
    timeout: Seconds = 1800
    """How long one statement may take, in seconds; with the time of a start besides, how long all of them may."""
    lock_timeout: Seconds = 2
    """How long one statement of a migration waits for a lock before it gives way, in seconds."""
    lock_patience: Annotated[float, Field(ge=0, le=24 * 3600)] = 10
    """How long a promotion waits for another one that migrates the same database, in seconds; 0 does not wait."""

    @field_validator("command")
    @classmethod
    def _command_takes_its_parts(cls, command: tuple[str, ...]) -> tuple[str, ...]:
        found = _placeholders(command)
        missing = [name for name in ("command", "target") if name not in found]
        unknown = found - {"command", "target"}
        if missing or unknown:
            what = f"has no {_shown(missing)}" if missing else f"has {_shown(unknown)}, which nothing fills in"
            msg = f'{what}, expected a list such as ["alembic", "{{command}}", "{{target}}"]'
            raise ValueError(msg)
        return command

    @field_validator("variables")
    @classmethod
    def _variables_hold_settings_alone(cls, variables: dict[str, str]) -> dict[str, str]:
        unknown = _placeholders(variables.values()) - {"settings"}
        if unknown:
            msg = (
                f"has {_shown(unknown)}, which nothing fills in, expected no other than {{settings}}: "
                "credentials reach the task by the `secrets` of its definition"
            )
            raise ValueError(msg)
        return variables


def _placeholders(texts: Iterable[str]) -> set[str]:
    return {name for text in texts for name in PLACEHOLDER.findall(text)}


def _shown(names: Iterable[str]) -> str:
    return ", ".join(f"{{{name}}}" for name in sorted(names))
