"""Runs Alembic as an ECS task of the release's own image: exactly the code that will run, inside the network of the database.

The image has nothing of ours, so the command is plain `alembic`. Credentials reach the container by the `secrets` of its task definition.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlencode

from promoter import config
from promoter.ecs import EcsService, autopsy, one_off
from promoter.ecs.one_off import Ended, Errand
from promoter.ecs.task_failures import blame, describe
from promoter.errors import RolloutError, SchemaError
from promoter.masking import mask
from promoter.schema import alembic_commands, driver_errors
from promoter.schema.revisions import Script, script
from promoter.schema.runners import Answer, Command, Lock, session_settings
from promoter.secrets import DatabaseCredentials

STARTUP = 300.0
"""What ECS may take to place a task and to pull its image on top of the migrations' own limit, in seconds."""


@dataclass(frozen=True)
class TaskRunner:
    """Alembic in a task beside the environment's service."""

    checkout: Path
    """The migrations that the image has, to know their order by."""
    rule: config.Migrations
    service: EcsService
    definition: Callable[[], str]
    """Returns the ARN of the task definition with the image of `checkout`'s commit; asked when there is something to run."""
    started_by: str
    """For which promotion."""
    purpose: str
    """The stage, in a word."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Plain variables of the migrations."""
    secrets: Callable[[], Sequence[str]] = field(default=tuple, repr=False)
    """Returns what no log line may show."""

    def run(
        self,
        command: Command,
        target: Sequence[str],
        credentials: DatabaseCredentials,  # noqa: ARG002 - the task definition has them, by ARN
        *,
        start: Sequence[str] = (),
        lock: Lock | None = None,  # noqa: ARG002 - plain Alembic does not look at it
    ) -> Answer:
        """Do what `Runner.run` says; SchemaError is transient where ECS had no room, lost the task, or the time was up."""
        if command == "sql":
            raise SchemaError("a task of the image writes no SQL down", hint="The rehearsal does, in a process.")
        found = script(self.checkout, self.rule)
        steps = alembic_commands.commands(self.rule.command, command, tuple(start), tuple(target), found)
        try:
            definition = self.definition()
            for argv in steps:
                errand = Errand(definition, argv, self._variables(), self.started_by, self.purpose)
                ended = one_off.run(self.service, errand, timeout=self.rule.timeout + STARTUP)
                if ended.exit_code != 0:
                    return self._answer(ended, found)
        except RolloutError as error:
            message = mask(error.message, self.secrets())
            raise SchemaError(message, hint=error.hint, transient=error.transient) from error
        return Answer(ok=True)

    def end_orphans(self) -> None:
        """Stop the tasks that an earlier process of this promotion left running, and wait for their end."""
        try:
            one_off.end(self.service, self.started_by)
        except RolloutError as error:
            raise SchemaError(error.message, hint=error.hint, transient=error.transient) from error

    def _variables(self) -> dict[str, str]:
        settings = session_settings(self.rule)
        filled = {name: text.replace("{settings}", as_query(settings)) for name, text in self.rule.variables.items()}
        plain = {**self.variables, **filled}
        return {**plain, "PGOPTIONS": f"{plain.get('PGOPTIONS', '')} {as_options(settings)}".strip()}

    def _answer(self, ended: Ended, found: Script) -> Answer:
        """Return what a task that failed says of the migration; raise SchemaError where it says nothing of it."""
        secrets, who = self.secrets(), blame(ended.task)
        log = "\n".join(ended.said)
        account = mask("\n".join([describe(ended.task), *autopsy.quoted(ended.said)]), secrets)
        if who == "platform":
            raise SchemaError(f"the platform ended the migration's task\n{account}", transient=True)
        if ended.exit_code is None:
            raise SchemaError(f"the migration's task did not run\n{account}", hint=HINTS.get(who or ""))
        named = mask(autopsy.named_error(log) or "the migration failed", secrets)
        return Answer(
            ok=False,
            error=f"exit code {ended.exit_code}",
            message=f"{named}\n{account}",
            sqlstate=driver_errors.sqlstate(log),
            running=driver_errors.revision(log, found),
        )


HINTS = {
    "image": "The image cannot be pulled: look at its name, its platform, and at the pull credentials of the task.",
    "release": "Look at `command` in [migrations]: it is given to the image's entry point, in the image's working directory.",
}


def as_options(settings: Mapping[str, str]) -> str:
    """Return `settings` as the value of PGOPTIONS, which libpq sends at the beginning of each session."""
    return " ".join(f"-c {name}={value.replace(' ', chr(92) + ' ')}" for name, value in settings.items())


def as_query(settings: Mapping[str, str]) -> str:
    """Return `settings` as the query of a URL that stands in the query of another one, as SQLAlchemy hands a `dsn` to asyncpg."""
    return quote(urlencode(settings, quote_via=quote), safe="")
