"""A password that is changed in the middle of a promotion is read again once, and the promotion goes on."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from pydantic import SecretStr

from promoter.errors import SchemaError
from promoter.schema import migrations
from promoter.secrets import DatabaseCredentials


class Vault:
    """Keeps the password of a role of its own in a test's database, and changes it in both places."""

    def __init__(self, owner: DatabaseCredentials) -> None:
        self.owner, self.user, self.reads = owner, f"user_{owner.database}", 0
        self.password = ""
        self._execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(self.user)))
        self._execute(sql.SQL("GRANT ALL ON SCHEMA public TO {}").format(sql.Identifier(self.user)))
        self.rotate()

    def read(self) -> DatabaseCredentials:
        """Return the credentials as they are now."""
        self.reads += 1
        return replace(self.owner, user=self.user, password=SecretStr(self.password), renew=self.read)

    def rotate(self, *, tell: bool = True) -> None:
        """Change the password; `tell` False forgets to keep the new one."""
        fresh = uuid4().hex
        self._execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(self.user), sql.Literal(fresh)))
        self.password = fresh if tell else self.password

    def _execute(self, statement: sql.Composed) -> None:
        with psycopg.connect(**self.owner.connection(), autocommit=True) as connection:
            connection.execute(statement)


@pytest.fixture
def vault(database: DatabaseCredentials) -> Vault:
    """Return the vault of an empty database."""
    return Vault(database)


def test_a_password_changed_between_two_stages_is_read_again(any_project: Any, vault: Vault) -> None:
    """The plan was made with the old one; the migration, and what it starts, has the new one."""
    any_project.revision("one", None, 'op.execute("CREATE TABLE a (id int)")', 'op.execute("DROP TABLE a")')
    credentials = vault.read()
    plan = migrations.plan(any_project.runner(), credentials)

    vault.rotate()

    assert migrations.upgrade(any_project.runner(), credentials) == plan
    assert migrations.heads(credentials) == ("one",)


def test_a_password_changed_under_a_migration_is_read_again(any_project: Any, vault: Vault) -> None:
    """The lock is held on a session of the old one, and the migration's own connection is refused."""
    any_project.revision("one", None, 'op.execute("CREATE TABLE a (id int)")', 'op.execute("DROP TABLE a")')
    plain = any_project.runner()
    runner = replace(plain, launch=once(vault.rotate, before=plain.launch))

    assert migrations.upgrade(runner, vault.read()).after == ("one",)
    assert vault.reads == 2


def test_a_password_that_is_wrong_again_is_an_error(project: Any, vault: Vault) -> None:
    """It is asked for once; a vault that was forgotten is not asked for ever."""
    project.revision("one", None)
    credentials = vault.read()
    vault.rotate(tell=False)

    with pytest.raises(SchemaError, match="password authentication failed") as refused:
        migrations.upgrade(project.runner(), credentials)

    assert vault.reads == 2
    assert refused.value.transient


def once(what: Callable[[], object], *, before: Callable[..., str]) -> Callable[..., str]:
    """Return a launcher that does `what` before it launches for the first time."""
    waiting = [what]

    def launch(
        python: Path, directory: Path, variables: Mapping[str, str], request: Mapping[str, Any], secrets: Sequence[str]
    ) -> str:
        while waiting:
            waiting.pop()()
        return before(python, directory, variables, request, secrets)

    return launch
