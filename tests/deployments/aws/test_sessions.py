"""The product's own clients, with the roles of the templates: what they call, who they are, and for how long."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from promoter.config import Environment, Service
from promoter.ecs import EcsService, one_off, rollouts, task_definitions
from promoter.ecs.one_off import Errand
from promoter.errors import FrozenError, RolloutError, SecretError
from promoter.identities import CALLS, identity
from promoter.records import Rollout
from tasks import clients, observation, verification
from tests.deployments.aws.account import IMAGE, NUMBER, REGION, Account, role_arn

pytestmark = pytest.mark.xdist_group("account")


@pytest.fixture(autouse=True)
def worker(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    """Be the worker, as a task of ECS is: by what the environment says."""
    for name, value in account.session(role_arn("worker")).items():
        monkeypatch.setenv(name.upper(), value)


@pytest.fixture
def service(account: Account, make_service: Callable[..., Service]) -> Service:
    """Return a service that runs in the account's environments."""
    return make_service(environments=account.environments)


@pytest.fixture
def calls() -> Iterator[Callable[[Any], set[str]]]:
    """Return what notes every call that a client makes from now on."""
    noted: list[tuple[Any, Any]] = []

    def note(client: Any) -> set[str]:
        made: set[str] = set()

        def see(model: Any, **_: object) -> None:
            made.add(f"{model.service_model.signing_name}:{model.name}")

        client.meta.events.register("before-call", see)
        noted.append((client, see))
        return made

    yield note
    for client, see in noted:
        client.meta.events.unregister("before-call", see)


def ecs_of(environment: Environment, subject: str) -> EcsService:
    """Return the environment's service as its deployer sees it."""
    return EcsService(
        clients.ecs(environment, "deploy", subject), clients.logs(environment, "deploy", subject), environment
    )


@pytest.fixture
def staging(account: Account) -> Iterator[Environment]:
    """Return an environment whose service wants one task, as long as the test lasts."""
    environment = account.environments["staging"]
    service = {"cluster": environment.cluster, "service": environment.service}
    account.client("ecs").update_service(**service, desiredCount=1)
    yield environment
    account.client("ecs").update_service(**service, desiredCount=0)


def test_deploying_makes_the_calls_of_the_table(staging: Environment, calls: Callable[[Any], set[str]]) -> None:
    """A release that never comes up, and the way back from it, make every call of the table for the deployer, and no other."""
    ecs = ecs_of(staging, "p-1")
    made, read = calls(ecs.client), calls(ecs.logs)

    before = ecs.check().task_definition
    request = task_definitions.request(
        ecs.definition(before),
        container="api",
        image="127.0.0.1:1/team/api:v2@sha256:" + "1" * 64,
        promotion="p-1",
        allowed=task_definitions.fields(ecs.client),
    )
    after = ecs.register(request, "p-1")
    rollout = Rollout(before, after, deployment=ecs.update(after))
    with pytest.raises(RolloutError, match="CannotPullContainerError"):
        rollouts.follow(ecs, rollout, timeout=60, notice=print)
    with pytest.raises((FrozenError, RolloutError)):
        rollouts.roll_back(ecs, rollout, timeout=5, notice=print)
    while not ecs.stop():  # a deployment may end before it is stopped
        ecs.update(after, force=True)
    while "ecs:StopTask" not in made:  # a task may end before its time is up
        with suppress(RolloutError):
            one_off.run(ecs, Errand(before, ("alembic", "upgrade", "heads"), {}, "promoter/p-1", "migrate"), timeout=0)

    assert made | read == CALLS["deploy"]


def test_looking_and_migrating_make_the_calls_of_the_table(service: Service, calls: Callable[[Any], set[str]]) -> None:
    """Whoever only looks sees what runs, and every task, as the verifier; the database's credentials are read as the migrator."""
    environment = service.environment("production")
    ecs = EcsService(clients.ecs(environment), clients.logs(environment), environment)
    looks = calls(ecs.client)
    reads = calls(clients.aws(environment, "migrate", "p-1").get_client("secretsmanager"))

    running = observation._running(environment)
    seen = verification.look(service, "production", None)
    gone = ecs.read_tasks([f"arn:aws:ecs:{REGION}:{NUMBER}:task/{environment.cluster}/{'0' * 32}"])
    credentials = clients.database(service, environment, "p-1")

    assert (running.definition, credentials.user) == ("tsk-production:1", "api")
    assert (seen.image, seen.fleet, gone) == (IMAGE, None, ())
    assert looks == CALLS["verify"]
    assert reads == CALLS["migrate"]


def test_a_session_names_its_promotion(account: Account) -> None:
    """CloudTrail tells by the session's name for which promotion somebody did something."""
    credentials = clients.aws(account.environments["staging"], "deploy", "0193b7ae-2c7e-7d3f-9d1c-0f0f9a8b7c6d")

    who = credentials.get_client("sts").get_caller_identity()["Arn"]

    name = "promoter-deploy-0193b7ae-2c7e-7d3f-9d1c-0f0f9a8b7c6d"
    assert who == f"arn:aws:sts::123456789012:assumed-role/promoter-deployer-staging/{name}"


def test_a_session_is_narrowed_to_its_environment(account: Account) -> None:
    """Where a file names another environment's role by mistake, nothing of that environment can be changed."""
    mixed = account.environments["staging"].model_copy(update={"deployer_role": role_arn("deployer", "production")})
    ecs = clients.ecs(mixed, "deploy", "p-1")

    for name in ("staging", "production"):
        with pytest.raises(ClientError, match=r"AccessDenied.*(session|identity-based) policy"):
            ecs.describe_services(cluster=f"ecs-{name}", services=[f"svc-{name}"])


def test_looking_with_the_deployers_role_is_only_looking(account: Account) -> None:
    """Without a verifier's role the deployer's is taken, narrowed to what a verifier may do."""
    environment = account.environments["staging"].model_copy(update={"verifier_role": None})
    ecs = clients.ecs(environment)

    assert ecs.describe_services(cluster="ecs-staging", services=["svc-staging"])["services"]
    with pytest.raises(ClientError, match=r"AccessDenied.*session policy"):
        ecs.update_service(cluster="ecs-staging", service="svc-staging", taskDefinition="tsk-staging:1")


def test_credentials_are_renewed_before_they_end(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    """One session serves many calls while it is fresh; one that is about to end is replaced without a word."""
    environment = account.environments["staging"]
    used = {}
    for seconds in (1800, 900):
        monkeypatch.setattr(
            clients,
            "identity",
            lambda *which, seconds=seconds: replace(identity(*which), seconds=seconds),  # type: ignore[type-var]
        )
        ecs = clients.ecs(environment, "deploy", f"for-{seconds}-seconds")
        keys: list[str] = []
        ecs.meta.events.register("before-send.ecs", lambda request, keys=keys, **_: keys.append(key_of(request)))
        for _ in range(3):
            ecs.describe_services(cluster=environment.cluster, services=[environment.service])
        used[seconds] = len(set(keys))

    assert used == {1800: 1, 900: 3}


def key_of(request: Any) -> str:
    """Return the access key that a request is signed with."""
    return str(request.headers["Authorization"]).split("Credential=")[1].split("/")[0]


def test_a_role_that_may_not_be_assumed_is_said_to_be_so(account: Account, service: Service) -> None:
    """The message names both, and what to do; ECS and Secrets Manager are never reached."""
    stranger = "arn:aws:iam::123456789012:role/staging-task"
    environment = account.environments["staging"].model_copy(
        update={"deployer_role": stranger, "migrator_role": stranger}
    )

    with pytest.raises(RolloutError, match=r"AccessDenied.*promoter-worker.*sts:AssumeRole.*staging-task") as refused:
        ecs_of(environment, "p-1").describe()
    with pytest.raises(SecretError, match="cannot be read: AccessDenied"):
        clients.database(service, environment, "p-1")

    assert refused.value.hint is not None
    assert not refused.value.transient


def test_without_roles_the_worker_is_itself(account: Account) -> None:
    """An environment that names no role is changed as who the worker is."""
    bare = {"deployer_role": None, "migrator_role": None, "verifier_role": None}
    environment = account.environments["staging"].model_copy(update=bare)

    who = clients.aws(environment, "deploy", "p-1").get_client("sts").get_caller_identity()["Arn"]

    assert who == "arn:aws:sts::123456789012:assumed-role/promoter-worker/promoter-test"


def test_an_expired_session_does_nothing(account: Account) -> None:
    """The sandbox lets a session end, as AWS does."""
    ended = account.session(role_arn("deployer", "staging"), DurationSeconds=0)

    with pytest.raises(ClientError, match="ExpiredToken"):
        account.client("ecs", ended).describe_services(cluster="ecs-staging", services=["svc-staging"])
