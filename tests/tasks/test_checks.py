"""What a rehearsal is told of the environment: the schema that lives there, and what the running release maps."""

import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from promoter import dependencies, postgres
from promoter.config import Service
from promoter.dependencies import Environment
from promoter.ledger import promotions, steps
from promoter.ledger.connection import connect
from promoter.postgres import Server
from promoter.records import Image, Push, SchemaChange, TaskDefinition, Version
from promoter.schema.mapped import MappedTable
from promoter.secrets import NOWHERE
from promoter.settings import Settings
from tasks.checks import _schema_of, rehearse_after, running_models

MODELS = """
import os
from sqlalchemy import Column, Integer, MetaData, Table, Text

Base = MetaData()
Table("notes", Base, Column("id", Integer, primary_key=True), Column("text", Text))
assert os.environ["DATABASE_URL"]
"""


@pytest.fixture
def service(make_service: Callable[..., Service], repository: Any, settings: Settings) -> Service:
    """Return a service that says where its models are."""
    settings.services.mkdir()
    return make_service(repository=str(repository.path), migrations={"models": "app_models:Base"})


@pytest.fixture(autouse=True)
def _locked_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take our own interpreter, which has SQLAlchemy, for that of every release."""
    made = Environment(Path(sys.executable), "", created=False)
    monkeypatch.setattr(dependencies, "environment", lambda *_, **__: made)


def released(service: Service, commit: str, number: int) -> tuple[Service, str]:
    """Write a promotion to staging whose release was verified, and return where."""
    tag = f"v1.0.{number}-test"
    records = {
        "compute_version": Version(tag, tag[1:], "v1.0.2", commit, "test", "because"),
        "publish_image": Image("registry.example/api", tag, f"sha256:{number:064x}", ("linux/amd64",)),
        "migrate": SchemaChange(("a",), ("a",)),
        "register": TaskDefinition(f"api:{number - 1}", f"api:{number}"),
    }
    with connect() as ledger:
        push = Push(repository=service.repository, branch="test", commit=commit, base="v1.0.2")
        promotion = promotions.accept(ledger, service, push)
        for stage, record in records.items():
            steps.begin(ledger, promotion.id, stage, type(record).__name__)
            steps.finish(ledger, promotion.id, stage, record)
        promotions.verify(ledger, promotion.id)
        promotions.end(ledger, promotion.id, "released")
    return service, promotion.environment_name


def test_the_running_release_says_what_it_maps(service: Service, repository: Any) -> None:
    """By its own commit, not by the newer one that is promoted."""
    old = repository.commit(**{"app_models.py": MODELS})
    repository.commit(**{"app_models.py": "raise AssertionError"})

    found = running_models(*released(service, old, 3))

    assert found == (MappedTable(None, "notes", ("id", "text")),)


def test_a_release_that_cannot_say_it_is_no_obstacle(
    service: Service, repository: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """The catalogue still judges; a log line says why nothing else does."""
    commit = repository.commit(**{"app_models.py": "raise LookupError('no such thing')"})

    with caplog.at_level(logging.WARNING):
        assert running_models(*released(service, commit, 3)) == ()

    assert "no such thing" in caplog.text


def test_without_a_release_nothing_is_asked(service: Service) -> None:
    """The first promotion has no predecessor."""
    assert running_models(service, "staging") == ()


def test_the_live_schema_is_read_without_its_safety_copies(postgres_server: Server) -> None:
    """They are no part of the service."""
    credentials = postgres.create_database(postgres_server, "live_schema")
    with psycopg.connect(**credentials.connection(), autocommit=True) as connection:
        connection.execute("CREATE TABLE notes (id int); CREATE SCHEMA _promoter_safety")
        connection.execute("CREATE TABLE _promoter_safety.lost (id int)")

    schema = _schema_of(credentials)

    assert schema is not None
    assert "CREATE TABLE public.notes" in schema
    assert "_promoter_safety" not in schema


def test_a_live_schema_that_cannot_be_read_is_told(postgres_server: Server, caplog: pytest.LogCaptureFixture) -> None:
    """The rehearsal then starts where the migrations lead."""
    with caplog.at_level(logging.WARNING):
        assert _schema_of(postgres_server.credentials("no_such_database")) is None

    assert "starts from the schema that the migrations build" in caplog.text


def test_where_nothing_is_pending_nothing_is_built_or_asked(
    service: Service, repository: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither an environment nor a server, nor the running release for its models; most pushes change no schema."""
    commit = repository.commit(
        **{
            "alembic.ini": "[alembic]\nscript_location = %(here)s/alembic\n",
            "alembic/versions/one.py": "revision = 'one'\ndown_revision = None\n\n\ndef upgrade():\n    pass\n",
        }
    )
    for tool, name in ((dependencies, "environment"), (postgres, "temporary_server"), (postgres, "read_schema")):
        monkeypatch.setattr(tool, name, lambda *_, **__: pytest.fail("it is not needed"))
    push = Push(repository=service.repository, branch="test", commit=commit, base="v1.0.2")

    found = rehearse_after(("one",), service, push, {}, live=NOWHERE, models=lambda: pytest.fail("they are not needed"))

    assert (found.before, found.after, found.verdict) == (("one",), ("one",), "lossless")
    assert (found.revisions, found.written, found.old_release_compatible) == ((), (), True)
