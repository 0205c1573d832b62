"""Two promotions that migrate one database at once, on a real ledger: one waits, and none rolls the other back."""

import sys
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from flows.recover import bring_to_an_end
from promoter import postgres
from promoter.config import Migrations, Service
from promoter.errors import SchemaError
from promoter.ledger import leases, promotions, steps
from promoter.ledger.connection import connect
from promoter.ledger.leases import Lease
from promoter.ledger.promotions import Promotion
from promoter.postgres import Server
from promoter.records import Image, Push, Rehearsal, SchemaChange
from promoter.schema import migrations
from promoter.schema.runners import APPLICATION_NAME, SubprocessRunner
from promoter.secrets import DatabaseCredentials
from promoter.settings import Settings
from tasks import clients, migration

IMAGE = Image("registry.example/api", "v1.0.3", "sha256:" + "0" * 64, ("linux/amd64",))
REHEARSAL = Rehearsal((), ("one",), "lossless", "fine", old_release_compatible=True)
ENV = """
from alembic import context
from sqlalchemy import create_engine, pool

with create_engine("postgresql+psycopg://", poolclass=pool.NullPool).connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""
ONE = """
from alembic import op

revision = "one"
down_revision = None


def upgrade():
    op.execute("SELECT pg_sleep(1.5)")
    op.execute("CREATE TABLE a (id int)")


def downgrade():
    op.execute("DROP TABLE a")
"""


@dataclass(frozen=True)
class World:
    """One database that two environments share, and a commit with a slow migration."""

    database: DatabaseCredentials
    service: Service

    def begin(self, branch: str) -> tuple[Promotion, Lease]:
        """Let a promotion take its environment."""
        push = Push(repository="https://git.example/api.git", branch=branch, commit="a" * 40, base="v1.0.2")
        with connect() as ledger:
            accepted = promotions.accept(ledger, self.service, push)
            lease = leases.take(ledger, accepted, driver=branch, seconds=60)
            return promotions.get(ledger, accepted.id), lease

    def is_migrating(self) -> bool:
        """Say whether a migration is at work."""
        query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = %s"
        with psycopg.connect(**self.database.connection()) as connection:
            return connection.execute(query, [APPLICATION_NAME]).fetchone() != (0,)


@pytest.fixture
def make_world(
    settings: Settings,  # noqa: ARG001 - the ledger
    postgres_server: Server,
    make_service: Callable[..., Service],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[float], World]:
    """Return a maker of that world with so much patience, whose doors to AWS and to the service's own environment lead there."""

    def make(patience: float) -> World:
        checkout = tmp_path / "checkout"
        (checkout / "alembic" / "versions").mkdir(parents=True)
        (checkout / "alembic.ini").write_text("[alembic]\nscript_location = %(here)s/alembic\npath_separator = os\n")
        (checkout / "alembic" / "env.py").write_text(ENV)
        (checkout / "alembic" / "versions" / "one.py").write_text(ONE)
        database = postgres.create_database(postgres_server, f"shared_{uuid.uuid4().hex}")
        runner = SubprocessRunner(Path(sys.executable), checkout, Migrations(lock_patience=patience))
        monkeypatch.setattr(clients, "database", lambda *_: database)
        monkeypatch.setattr(migration, "runner_of", lambda *_: nullcontext(runner))
        return World(database, make_service())

    return make


def test_a_promotion_that_comes_second_waits_and_finds_the_work_done(make_world: Callable[[float], World]) -> None:
    """Both go on; the schema was changed once."""
    world = make_world(60)
    both, barrier = [world.begin("test"), world.begin("main")], threading.Barrier(2)

    def migrate(promotion: Promotion, lease: Lease) -> SchemaChange:
        barrier.wait()
        return migration.migrate.fn(promotion, lease, IMAGE, REHEARSAL)

    with ThreadPoolExecutor(2) as pool:
        changes = list(pool.map(lambda one: migrate(*one), both))

    assert sorted(change.before for change in changes) == [(), ("one",)]
    assert migrations.heads(world.database) == ("one",)


def test_a_loser_changes_nothing_and_takes_nothing_back(make_world: Callable[[float], World]) -> None:
    """Its error is transient and names the holder; it has no intent on record, so its end is no downgrade of the winner's schema."""
    world = make_world(0)
    (winner, winners), (loser, losers) = world.begin("test"), world.begin("main")
    with ThreadPoolExecutor(1) as pool:
        won = pool.submit(migration.migrate.fn, winner, winners, IMAGE, REHEARSAL)
        while not world.is_migrating():
            assert not won.done()
        with pytest.raises(SchemaError, match="the migration lock is held by 'promoter on ") as lost:
            migration.migrate.fn(loser, losers, IMAGE, REHEARSAL)
        assert won.result(60) == SchemaChange((), ("one",), catalogue={})

    ended = bring_to_an_end(loser.id, driver="main", cause="it failed")

    assert lost.value.transient
    with connect() as ledger:
        step = steps.find(ledger, loser.id, "migrate")
    assert step is not None
    assert step.intent is None
    assert (ended.outcome, ended.cause is not None and "migration lock" in ended.cause) == ("rejected", True)
    assert migrations.heads(world.database) == ("one",)
