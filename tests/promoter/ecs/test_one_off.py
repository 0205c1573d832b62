"""One task beside the service: what is asked of ECS, how it ends, and that it is never started twice."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from promoter.config import Environment
from promoter.ecs import one_off
from promoter.ecs.one_off import Errand
from promoter.ecs.state import ServiceState
from promoter.errors import RolloutError

NETWORK = {"awsvpcConfiguration": {"subnets": ["subnet-1"]}}
MINUTE = 60


def errand(api: Any, *command: str, **variables: str) -> Errand:
    """Return what a task of the service's own definition is to do for one promotion."""
    definition = api.ecs.describe().task_definition
    return Errand(definition, command, variables, started_by="promoter/1", purpose="migrate")


def environment(**changes: Any) -> Environment:
    """Return an environment whose container is `api`."""
    parts = {
        "region": "us-east-2",
        "cluster": "c",
        "service": "svc",
        "family": "app",
        "container": "api",
        "secret": "none",
    }
    return Environment.model_validate({**parts, "health_url": "http://127.0.0.1/health", **changes})


def placed(**placement: Any) -> ServiceState:
    """Return a service that runs there."""
    return ServiceState("svc", "ACTIVE", 1, "", (), "ECS", "ROLLING", True, True, (), placement)  # noqa: FBT003


def test_a_request_says_all_and_hides_what_is_secret() -> None:
    """The service's place, the promotion, and plain variables; those that the definition takes from a secret stay its own."""
    wish = Errand(
        "app:41", ("alembic", "upgrade", "two"), {"B": "2", "A": "1", "PGHOST": "here"}, "promoter/1", "migrate"
    )

    made = one_off.request(
        wish,
        placed(launchType="FARGATE", networkConfiguration=NETWORK),
        environment(),
        attempt=0,
        hidden={"PGHOST", "PGPASSWORD"},
    )

    token = made.pop("clientToken")
    assert len(token) <= 64
    assert made == {
        "cluster": "c",
        "taskDefinition": "app:41",
        "count": 1,
        "startedBy": "promoter/1",
        "overrides": {
            "containerOverrides": [
                {
                    "name": "api",
                    "command": ["alembic", "upgrade", "two"],
                    "environment": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
                }
            ]
        },
        "launchType": "FARGATE",
        "networkConfiguration": NETWORK,
    }


def test_equal_wishes_have_equal_tokens() -> None:
    """By promotion, purpose and attempt, and by nothing else."""

    def token(started_by: str, purpose: str, attempt: int) -> str:
        wish = Errand("app:41", ("true",), {}, started_by, purpose)
        return str(one_off.request(wish, placed(), environment(), attempt=attempt)["clientToken"])

    assert token("promoter/1", "migrate", 0) == token("promoter/1", "migrate", 0)
    others = {token("promoter/1", "migrate", 1), token("promoter/1", "undo", 0), token("promoter/2", "migrate", 0)}
    assert len(others | {token("promoter/1", "migrate", 0)}) == 4


@pytest.mark.parametrize(
    "variables",
    [
        pytest.param({"PGPASSWORD": "correct horse"}, id="by its name"),
        pytest.param({"DATABASE_URL": "postgresql://me:horse@db/app"}, id="in a URL"),
    ],
)
def test_a_secret_is_never_put_among_the_overrides(variables: dict[str, str]) -> None:
    """Everybody who may describe a task would read it; the error tells its name alone."""
    wish = Errand("app:41", ("true",), variables, "promoter/1", "migrate")

    with pytest.raises(RolloutError, match=next(iter(variables))) as caught:
        one_off.request(wish, placed(), environment(), attempt=0)

    assert "horse" not in str(caught.value)


def test_what_only_looks_like_a_secret_is_told() -> None:
    """Where the environment says that it is none."""
    wish = Errand("app:41", ("true",), {"TOKEN_ISSUER": "https://issuer.example"}, "promoter/1", "migrate")

    made = one_off.request(wish, placed(), environment(plain_variables=["TOKEN_ISSUER"]), attempt=0)

    [override] = made["overrides"]["containerOverrides"]
    assert override["environment"] == [{"name": "TOKEN_ISSUER", "value": "https://issuer.example"}]


def test_a_task_runs_where_the_service_runs_and_says_how_it_ended(api: Any) -> None:
    """Its exit code and its last lines, for the container of the environment."""
    ended = one_off.run(
        api.ecs, errand(api, "sh", "-c", 'echo "going $MODE"; echo "no such table"; exit 7', MODE="on"), timeout=MINUTE
    )

    assert (ended.exit_code, ended.said) == (7, ("going on", "no such table"))
    assert ended.task.deployment == "promoter/1"
    assert api.ecs.describe().placement == {"launchType": "FARGATE", "networkConfiguration": NETWORK}


def test_a_task_that_is_not_done_in_time_is_stopped(api: Any) -> None:
    """By our own deadline; it is STOPPED when the error is raised, which holds what it said."""
    wish = errand(api, "sh", "-c", "echo waiting for a lock; exec sleep 60")

    with pytest.raises(RolloutError, match=r"(?s)not done after 3 s.*waiting for a lock") as caught:
        one_off.run(api.ecs, wish, timeout=3)

    assert caught.value.transient
    assert one_off.end(api.ecs, "promoter/1") == 0


def test_an_attempt_whose_answer_was_lost_is_found_again(api: Any) -> None:
    """The call that ECS has taken, and whose answer never came, has started the one task that there is."""
    client = api.ecs.client
    lost: list[str] = []

    def lose(parsed: dict[str, Any], **_: object) -> None:
        if not lost:
            lost.append(parsed["tasks"][0]["taskArn"])
            parsed.clear()
            parsed.update(tasks=[], failures=[{"reason": "the answer is lost"}])

    client.meta.events.register("after-call.ecs.RunTask", lose)
    try:
        with pytest.raises(RolloutError, match="the answer is lost") as caught:
            one_off.run(api.ecs, errand(api, "true"), timeout=MINUTE)
    finally:
        client.meta.events.unregister("after-call.ecs.RunTask", lose)
    wish = errand(api, "true")
    again = one_off.request(
        wish,
        api.ecs.describe(),
        api.ecs.environment,
        attempt=0,
    )

    assert caught.value.transient
    assert [task["taskArn"] for task in client.run_task(**again)["tasks"]] == lost


def test_another_attempt_is_another_task(api: Any) -> None:
    """What has ended is not taken for what is to be done now."""
    first = one_off.run(api.ecs, errand(api, "sh", "-c", "exit 1"), timeout=MINUTE)
    second = one_off.run(api.ecs, errand(api, "sh", "-c", "exit 1"), timeout=MINUTE)

    assert first.task.arn != second.task.arn


def test_tasks_that_a_killed_process_left_are_ended(api: Any) -> None:
    """All of one promotion, and no other's; the service's own are not touched."""
    wish = errand(api, "sleep", "60")
    place = api.ecs.describe()
    requests = [
        one_off.request(
            Errand(wish.definition, wish.command, {}, name, "migrate"),
            place,
            api.ecs.environment,
            attempt=0,
        )
        for name in ("promoter/1", "promoter/2")
    ]
    for made in requests:
        api.ecs.client.run_task(**made)

    assert one_off.end(api.ecs, "promoter/1") == 1
    assert one_off.end(api.ecs, "promoter/1") == 0
    assert one_off.end(api.ecs, "promoter/2") == 1
    assert api.ecs.fleet(wish.definition) is None


def test_a_process_that_gives_up_stops_its_task(api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cancelled promotion leaves nothing at work."""
    begun = threading.Event()

    def give_up(*_: object) -> Any:
        begun.set()
        raise KeyboardInterrupt

    monkeypatch.setattr(one_off, "_until_stopped", give_up)
    with pytest.raises(KeyboardInterrupt):
        one_off.run(api.ecs, errand(api, "sleep", "60"), timeout=MINUTE)
    monkeypatch.undo()

    assert begun.is_set()
    assert one_off.end(api.ecs, "promoter/1") in {0, 1}
    arns = api.ecs.list_tasks(family=api.ecs.environment.family, desiredStatus="STOPPED")
    assert "gave it up" in " ".join(task.stopped_reason for task in api.ecs.read_tasks(arns))


def test_no_room_is_no_failure_of_the_release(
    api: Any, answer_instead: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """ECS answers with failures and no task, or refuses; another time it may have room."""
    nothing = {"tasks": [], "failures": [{"reason": "RESOURCE:MEMORY", "detail": "none left"}]}
    monkeypatch.setattr(api.ecs.client, "run_task", lambda **_: nothing)
    with pytest.raises(RolloutError, match=r"started no task.*RESOURCE:MEMORY none left") as caught:
        one_off.run(api.ecs, errand(api, "true"), timeout=MINUTE)
    monkeypatch.undo()
    answer_instead("RunTask", "ThrottlingException")
    with pytest.raises(RolloutError, match="ThrottlingException") as throttled:
        one_off.run(api.ecs, errand(api, "true"), timeout=MINUTE)

    assert caught.value.transient
    assert throttled.value.transient


def test_a_container_whose_end_is_not_the_tasks_runs_nothing(api: Any) -> None:
    """Nobody would know when it is done."""
    definition = api.ecs.definition(api.ecs.describe().task_definition)["taskDefinition"]
    lax = [{**definition["containerDefinitions"][0], "essential": False}, {"name": "other", "image": "x:y"}]
    arn = api.ecs.client.register_task_definition(family=definition["family"], containerDefinitions=lax)[
        "taskDefinition"
    ]["taskDefinitionArn"]

    with pytest.raises(RolloutError, match="is not essential"):
        one_off.run(api.ecs, Errand(arn, ("true",), {}, "promoter/1", "migrate"), timeout=MINUTE)


def test_an_image_that_is_not_there_is_said_by_the_task(api: Any) -> None:
    """It has no exit code and no log, and its reason is ECS's."""
    gone = api.ecs.register(api.request(api.ecs.describe().task_definition, "gone", "p-gone"), "p-gone")

    ended = one_off.run(api.ecs, Errand(gone, ("true",), {}, "promoter/1", "migrate"), timeout=MINUTE)

    assert (ended.exit_code, ended.said) == (None, ())
    assert "CannotPullContainer" in " ".join(
        [ended.task.stopped_reason, *(one.reason for one in ended.task.containers)]
    )
