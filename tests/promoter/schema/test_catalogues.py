"""What a way back is compared with: the catalogue from before, object by object, on a real PostgreSQL."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from pydantic import SecretStr

from promoter.errors import SchemaError
from promoter.schema import catalogues, migrations
from promoter.secrets import DatabaseCredentials
from tests.promoter.schema.conftest import Project

Execute = Callable[[str], list[tuple[object, ...]]]
TABLE = "alembic_version"
ADD, DROP = (
    "op.execute('ALTER TABLE notes ADD COLUMN colour text')",
    "op.execute('ALTER TABLE notes DROP COLUMN colour')",
)


@pytest.fixture
def upgraded(project: Project, database: DatabaseCredentials) -> Project:
    """Return a checkout with two revisions, whose first is what the database is at."""
    project.revision("one", None, "op.execute('CREATE TABLE notes (id int PRIMARY KEY, title text)')")
    migrations.upgrade(project.runner(), database)
    return project


def test_a_schema_that_came_back_is_the_same_wherever_its_columns_stand_now(
    upgraded: Project, database: DatabaseCredentials
) -> None:
    """The revision's way back is exact, and the version table is no part of what is compared."""
    upgraded.revision("two", "one", ADD, DROP)
    before = catalogues.capture(database, version_table=TABLE)
    migrations.upgrade(upgraded.runner(), database)

    migrations.downgrade(upgraded.runner(), database, ("one",), catalogue=before)

    assert before is not None
    assert set(before) == {"TABLE notes", "CONSTRAINT notes notes_pkey"}
    assert catalogues.capture(database, version_table=TABLE) == before


def test_the_right_revision_is_not_enough(upgraded: Project, database: DatabaseCredentials) -> None:
    """A way back that leaves something behind is told by the name of the object, although the revision is the recorded one."""
    upgraded.revision("two", "one", ADD, "op.execute('CREATE INDEX by_title ON notes (title)')")
    before = catalogues.capture(database, version_table=TABLE)
    migrations.upgrade(upgraded.runner(), database)

    with pytest.raises(SchemaError, match=r"INDEX by_title is left behind; TABLE notes differs") as refused:
        migrations.downgrade(upgraded.runner(), database, ("one",), catalogue=before)

    assert migrations.heads(database) == ("one",)
    assert not refused.value.transient


def test_what_is_the_same_revision_and_another_schema_is_told_however_often_it_is_asked(
    upgraded: Project, database: DatabaseCredentials, execute: Execute
) -> None:
    """A recovery that was killed between the way back and its proof proves it the next time."""
    before = catalogues.capture(database, version_table=TABLE)
    execute("ALTER TABLE notes ALTER title TYPE varchar(80)")

    for _ in range(2):
        with pytest.raises(SchemaError, match="TABLE notes differs"):
            migrations.downgrade(upgraded.runner(), database, ("one",), catalogue=before)


def test_only_the_first_differences_are_named(database: DatabaseCredentials, execute: Execute) -> None:
    """A person reads the message, and a schema can have a thousand objects."""
    before = catalogues.capture(database, version_table=TABLE)
    execute("; ".join(f"CREATE TABLE extra_{number} (id int)" for number in range(9)))

    assert before is not None
    with pytest.raises(SchemaError, match=r"TABLE extra_4 is left behind and 4 more\n"):
        catalogues.verify(before, database, version_table=TABLE)


@pytest.mark.usefixtures("upgraded")
def test_an_account_that_may_not_read_everything_has_no_catalogue(
    database: DatabaseCredentials, execute: Execute, caplog: pytest.LogCaptureFixture
) -> None:
    """The promotion goes on, and says that its way back will be known by its revisions alone."""
    name = f"narrow_{database.database}"
    execute(f"CREATE ROLE {name} LOGIN PASSWORD 'narrow'")
    narrow = replace(database, user=name, password=SecretStr("narrow"))

    assert catalogues.capture(narrow, version_table=TABLE) is None
    assert "verified by its revisions alone" in caplog.text
