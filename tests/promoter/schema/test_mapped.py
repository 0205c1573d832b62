"""What a release's models map, and what of it another schema still answers."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from promoter.errors import SchemaError
from promoter.postgres import Server
from promoter.schema import mapped
from promoter.schema.mapped import MappedTable
from promoter.schema.rehearsal import rehearse_with
from tests.promoter.schema.zoo import USERS, sql

MODELS = """
from sqlalchemy import Column, ForeignKey, Integer, Text
from sqlalchemy.orm import declarative_base

Base = declarative_base()

class User(Base):
    __tablename__ = "users"
    id = Column(Integer, primary_key=True)
    called = Column("name", Text)

class Line(Base):
    __tablename__ = "lines"
    __table_args__ = {"schema": "billing"}
    id = Column(Integer, primary_key=True)
    payer = Column(Integer, ForeignKey("users.id"))
"""
FOUND = (MappedTable(None, "users", ("id", "name")), MappedTable("billing", "lines", ("id", "payer")))


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """Return the folder of a release with two models."""
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "models.py").write_text(MODELS)
    return tmp_path


@pytest.mark.parametrize("name", ["Base", "Base.metadata", "Base.registry"])
def test_models_tell_their_tables_and_columns(release: Path, name: str) -> None:
    """Columns by their names in the database, parents first, whatever the models' common thing is."""
    found = mapped.read(Path(sys.executable), {"PYTHONPATH": str(release)}, release, f"shop.models:{name}")

    assert found == FOUND


@pytest.mark.parametrize(
    ("models", "reason"),
    [("shop.model:Base", "No module named 'shop.model'"), ("shop.models:Bass", "no attribute 'Bass'")],
)
def test_models_that_are_not_there_are_an_error(release: Path, models: str, reason: str) -> None:
    """With what Python says, and where the name stands."""
    with pytest.raises(SchemaError, match=reason) as caught:
        mapped.read(Path(sys.executable), {"PYTHONPATH": str(release)}, release, models)

    assert "[migrations] models" in str(caught.value)


def test_what_the_schema_does_not_answer_is_named(database: Any, execute: Callable[[str], object]) -> None:
    """A column, or a whole table."""
    execute("CREATE TABLE users (id int, title text)")

    assert mapped.unreadable(database, FOUND) == (
        'mapped column users.name: column "name" does not exist',
        'mapped table billing.lines: relation "billing.lines" does not exist',
    )


def test_a_schema_that_has_more_answers_everything(database: Any, execute: Callable[[str], object]) -> None:
    """Columns that nobody maps, and a table without any."""
    execute("CREATE TABLE users (id int, name text, more text); CREATE SCHEMA billing")
    execute("CREATE TABLE billing.lines (id int, payer int); CREATE TABLE bare ()")

    assert mapped.unreadable(database, (*FOUND, MappedTable(None, "bare", ()))) == ()


def test_the_rehearsal_tries_the_models_on_the_new_schema(project: Any, postgres_server: Server) -> None:
    """Also where the schema before had never had what they map."""
    project.revision("users", None, USERS, "raise NotImplementedError")
    project.revision("change", "users", sql("ALTER TABLE users DROP COLUMN code"), sql("SELECT 1"))
    models = (MappedTable(None, "users", ("id", "code", "nick")),)

    found = rehearse_with(project.runner(), postgres_server, ("users",), models=models)

    assert not found.old_release_compatible
    assert {one for one in found.obstacles if one.startswith("mapped")} == {
        'mapped column users.code: column "code" does not exist',
        'mapped column users.nick: column "nick" does not exist',
    }
