"""The sample service's migrations run as ECS tasks of its own image, up and down, with any legal password, on the real sandbox."""

import json
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from pydantic import SecretStr

from deployments.sandbox import provision, registry
from deployments.sandbox.aws import client
from deployments.sandbox.sample import service as sample
from deployments.sandbox.sample.tree import template, write
from promoter import postgres
from promoter.config import Migrations
from promoter.ecs import EcsService, one_off
from promoter.errors import SchemaError
from promoter.ledger import leases, promotions, steps
from promoter.ledger.connection import connect
from promoter.ledger.leases import Lease
from promoter.ledger.promotions import Promotion
from promoter.records import Push, Rehearsal, SchemaChange
from promoter.schema import migrations, task_runner
from promoter.settings import Settings
from tasks import clients, migration, rollout
from tests.tasks.sample_account import LAST, PASSWORD, REGION, URL, Account, Place, build, further


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    """Bring AWS and a registry up, with the sample's image in it and a service of that image."""
    hub = registry.start(tmp_path_factory.mktemp("registry"))
    running = client.start(tmp_path_factory.mktemp("aws"), time_scale=0.02)
    urls = dict.fromkeys(("staging", "production"), "http://127.0.0.1:1/health")
    service = sample.service(Path("/sample.git"), hub.host, urls, running.endpoint_url, region=REGION)
    checkout = write({**template(), **dict(further())}, tmp_path_factory.mktemp("checkout"))
    found = Account(running.endpoint_url, service, build(service, checkout), checkout)
    environment, ecs = found.environment, found.client("ecs")
    ecs.create_cluster(clusterName=environment.cluster)
    request = provision.definition(service, environment, found.image, "arn:aws:secretsmanager:us-east-2:1:secret:none")
    ecs.create_service(
        cluster=environment.cluster,
        serviceName=environment.service,
        taskDefinition=ecs.register_task_definition(**request)["taskDefinition"]["taskDefinitionArn"],
        desiredCount=0,
        launchType="FARGATE",
        networkConfiguration={"awsvpcConfiguration": {"subnets": ["subnet-1"]}},
    )
    yield found
    running.stop()
    hub.stop()


@pytest.fixture
def place(account: Account, postgres_server: postgres.Server) -> Place:
    """Return a database whose owner has the worst of all legal passwords."""
    name = f"tasks_{uuid.uuid4().hex}"
    database = postgres.create_database(postgres_server, name, owner=name)
    statement = sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(name), sql.Literal(PASSWORD))
    with psycopg.connect(**postgres_server.credentials().connection(), autocommit=True) as connection:
        connection.execute(statement)
    database = replace(database, password=SecretStr(PASSWORD))
    return Place(account, database, account.hand_out(database), f"promoter/{uuid.uuid4()}")


def test_the_sample_goes_up_and_down_in_tasks_of_its_image(place: Place) -> None:
    """Plain `alembic` in the container, with credentials from the definition's secrets: any legal password works."""
    up = migrations.upgrade(place.runner(lock_timeout=3), place.database, ("seen",))
    down = migrations.downgrade(place.runner(), place.database, ("add_tags_table",))

    assert (up, down) == (SchemaChange((), ("seen",)), SchemaChange(("seen",), ("add_tags_table",)))
    assert migrations.heads(place.database) == ("add_tags_table",)
    assert [[task.stop_code, task.containers[0].exit_code] for task in place.tasks()] == [
        ["EssentialContainerExited", 0]
    ] * 2


def test_our_settings_reach_asyncpg_in_the_task(place: Place) -> None:
    """Its session bears the name by which orphans are known, and gives way to readers."""
    migrations.upgrade(place.runner(lock_timeout=3), place.database, ("seen",))

    assert place.rows("SELECT told FROM seen") == [("promoter migration 3s",)]


def test_nothing_secret_is_told_to_ecs(place: Place) -> None:
    """The overrides of the task hold the command and plain variables."""
    migrations.upgrade(place.runner(), place.database, ("add_tags_table",))

    told = place.account.client("ecs").describe_tasks(
        cluster=place.account.environment.cluster, tasks=[task.arn for task in place.tasks()]
    )["tasks"]
    [container] = told[0]["overrides"]["containerOverrides"]
    assert container["command"] == ["alembic", "upgrade", "add_tags_table"]
    assert {one["name"] for one in container["environment"]} == {"DATABASE_URL", "ENVIRONMENT", "PGOPTIONS"}
    assert PASSWORD not in json.dumps(told, default=str)
    assert json.dumps(PASSWORD)[1:-1] not in json.dumps(told, default=str)


def test_a_failing_migration_is_told_with_the_last_log_lines(place: Place) -> None:
    """Which revision, which SQLSTATE, what the container said; nothing is left of it in the database."""
    with pytest.raises(SchemaError, match=r"revision broken: exit code 1 \(42P01\)") as caught:
        migrations.upgrade(place.runner(), place.database, ("broken",))

    assert not caught.value.transient
    assert "its last log lines:" in caught.value.message
    assert 'relation "missing" does not exist' in caught.value.message
    assert migrations.heads(place.database) == ()


def test_a_slow_statement_is_ended_by_the_server(place: Place) -> None:
    """And named, as it is by the other runner."""
    with pytest.raises(SchemaError, match=r"took longer than 2 s at revision slow: .*57014"):
        migrations.upgrade(place.runner(timeout=2), place.database, ("slow",))


def test_a_busy_table_is_tried_again_in_another_task(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lock timeout is heard of by the driver's own class; a new attempt is a new task."""
    monkeypatch.setattr(migrations, "LOCK_TRIES", 2)
    migrations.upgrade(place.runner(), place.database, ("seen",))
    with psycopg.connect(**place.database.connection()) as reader:
        reader.execute("SELECT * FROM notes")
        with pytest.raises(SchemaError, match=r"revision altered: .*55P03") as caught:
            migrations.upgrade(place.runner(lock_timeout=0.2), place.database, ("altered",))

    assert caught.value.transient
    assert len(place.tasks()) == 3


def test_a_task_that_is_not_done_in_time_is_stopped(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the driver is told nothing, our own deadline is what is left; the backend is ended where its name is known."""
    migrations.upgrade(place.runner(), place.database, ("seen",))
    monkeypatch.setattr(task_runner, "STARTUP", -54.0)

    with pytest.raises(SchemaError, match="not done after 6 s") as caught:
        migrations.upgrade(place.runner(), place.database, ("slow",))

    assert caught.value.transient
    assert migrations.heads(place.database) == ("seen",)
    assert [task.last_status for task in place.tasks()] == ["STOPPED"] * 2
    assert place.rows("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'promoter migration'") == [(0,)]


def test_a_killed_promotion_is_resumed_without_its_task(place: Place) -> None:
    """Whoever takes the lock next stops the task that the dead process started, and then reads the revision."""
    migrations.upgrade(place.runner(), place.database, ("seen",))
    left = one_off.request(
        one_off.Errand(
            place.definition, ("alembic", "upgrade", "slow"), place.runner()._variables(), place.promotion, "x"
        ),
        place.account.ecs.describe(),
        place.account.environment,
        attempt=0,
    )
    place.account.client("ecs").run_task(**left)
    until(lambda: place.rows("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'") == [(1,)])

    assert migrations.upgrade(place.runner(), place.database, ("altered",)).before == ("seen",)
    assert place.rows("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'") == [(0,)]


def test_a_promotion_migrates_in_a_task_and_takes_it_back_in_one(
    place: Place, repository: Any, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stage and its inverse, with the definition that is rolled out later; the ledger finds the image."""
    promotion, lease = begin(place, repository, settings, monkeypatch)
    rehearsal = Rehearsal((), (LAST,), "lossless", "fine", old_release_compatible=True)

    change = migration.migrate.fn(promotion, lease, place.account.image, rehearsal)
    definition = rollout.register.fn(promotion, lease, place.account.image, change)
    done(promotion, "rehearse", rehearsal)
    undone = migration.undo_migration(change, promotion, lease)

    assert (change, undone) == (SchemaChange((), (LAST,), catalogue={}), "undone")
    assert migrations.heads(place.database) == ()
    tasks = one_off._all(place.account.ecs, f"promoter/{promotion.id}")
    assert [task.definition for task in tasks] == [definition.after] * 2
    assert migration.undo_migration(change, promotion, lease) == "nothing"


def begin(
    place: Place, repository: Any, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> tuple[Promotion, Lease]:
    """Let a promotion of the sample take its environment, whose service now runs a definition that reaches `place`."""
    environment, ecs = place.account.environment, place.account.client("ecs")
    ecs.update_service(cluster=environment.cluster, service=environment.service, taskDefinition=place.definition)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "sandbox")
    monkeypatch.setattr(clients, "database", lambda *_: place.database)
    monkeypatch.setattr(clients, "hidden_values", lambda *_: [PASSWORD])
    monkeypatch.setattr(migration, "confirm", lambda *_: None)  # the service wants no task, so none would answer
    monkeypatch.setattr(EcsService, "check", EcsService.describe)
    write(template(), repository.path)
    commit = repository.commit("feat: keep notes")
    rule = Migrations(runner="ecs-task", variables={"DATABASE_URL": URL}, timeout=60)
    service = place.account.service.model_copy(update={"migrations": rule, "repository": str(repository.path)})
    push = Push(repository=str(repository.path), branch="test", commit=commit, base="v1.0.2")
    with connect(settings) as ledger:
        accepted = promotions.accept(ledger, service, push)
        lease = leases.take(ledger, accepted, driver="test", seconds=300)
    done(accepted, "publish_image", place.account.image)
    with connect(settings) as ledger:
        return promotions.get(ledger, accepted.id), lease


def done(promotion: Promotion, stage: str, record: object) -> None:
    """Write the result of a stage."""
    with connect() as ledger:
        steps.begin(ledger, promotion.id, stage, type(record).__name__)
        steps.finish(ledger, promotion.id, stage, record)


def until(condition: Callable[[], object]) -> None:
    """Wait for `condition`, at most a minute."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
