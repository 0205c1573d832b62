"""Where flows run: each kind's file, held against the classes of the worker that will read it."""

from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import pytest
from prefect.utilities.templating import apply_values

from deployments import pools
from promoter.errors import ConfigurationError

ENVIRONMENT = {
    "PROMOTER_DOCKER_CACHE": "promoter_cache",
    "PROMOTER_DOCKER_NETWORK": "promoter_inside",
    "PROMOTER_DOCKER_SERVICES": "/srv/services",
    "PROMOTER_ECS_AUTH_STRING": "arn:aws:secretsmanager:us-east-2:123456789012:secret:promoter-AbCdEf:auth::",
    "PROMOTER_ECS_CLUSTER": "tools",
    "PROMOTER_ECS_SECURITY_GROUPS": "sg-1",
    "PROMOTER_ECS_SUBNETS": "subnet-1, subnet-2",
    "PROMOTER_ECS_TASK_DEFINITION": "arn:aws:ecs:us-east-2:123456789012:task-definition/promoter-flow:7",
    "PROMOTER_IMAGE": "promoter:0.1.0",
    "PROMOTER_LEDGER_URL": "postgresql://promoter@postgres:5432/promoter",
    "PROMOTER_REGISTRY_USERNAME": "robot",
}
"""Every variable that a file asks for."""
SECRET = "{{ prefect.blocks.secret."


def job(kind: str) -> Any:
    """Return the job that a worker of this kind would start, but for the values of Prefect's blocks, which only a server has."""
    pool = pools.describe(kind, ENVIRONMENT)
    defaults = pools._defaults(pool.template)
    values = {name: value for name, value in defaults.items() if "prefect.blocks" not in str(value) or name == "env"}
    filled = apply_values(pool.template["job_configuration"], values, remove_notset=True)
    return resolve_name(pools.WORKERS[kind]).job_configuration.model_validate(filled)


@pytest.mark.parametrize("kind", pools.WORKERS)
def test_each_kind_is_a_job_that_its_worker_takes(kind: str) -> None:
    """By the worker's own class; what the file says is in it."""
    assert job(kind).env is not None
    assert {file.stem for file in pools.HERE.glob("*.yaml")} == set(pools.WORKERS)


def test_a_process_outlives_its_worker() -> None:
    """Nobody reads what it prints, so it breaks no pipe."""
    assert job("process").stream_output is False


def test_a_container_gets_its_secrets_when_it_starts() -> None:
    """They are blocks of Prefect; the template, which everybody may read, only names them."""
    container = job("docker")

    assert (container.image, container.networks) == ("promoter:0.1.0", ["promoter_inside"])
    assert {name for name, value in container.env.items() if value.startswith(SECRET)} == {
        "PROMOTER_LEDGER_PASSWORD",
        "PROMOTER_REGISTRY_PASSWORD",
    }
    assert pools.describe("docker", ENVIRONMENT).secrets == set(pools.SECRETS)


def test_a_task_runs_as_its_definition_says() -> None:
    """Image, roles and secrets are the definition's; no permission of EC2 is needed to say where it runs."""
    request = job("ecs").task_run_request

    assert request["taskDefinition"] == ENVIRONMENT["PROMOTER_ECS_TASK_DEFINITION"]
    assert request["cluster"] == "tools"
    assert request["networkConfiguration"]["awsvpcConfiguration"]["subnets"] == ["subnet-1", "subnet-2"]
    assert [one["name"] for one in request["overrides"]["containerOverrides"]] == ["flow"]


def test_the_worker_of_ecs_writes_no_credential_into_its_request() -> None:
    """Whoever may describe a task reads its overrides."""
    task = job("ecs")
    task.env["PREFECT_API_AUTH_STRING"] = "admin:secret"
    run = resolve_name("prefect.client.schemas.objects:FlowRun").model_validate({"flow_id": "0" * 32, "name": "one"})

    task.prepare_for_flow_run(run)

    assert "PREFECT_API_AUTH_STRING" not in task.env


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("variables: {stream_outptu: false}", "no variable 'stream_outptu'"),
        ("variables: {stream_output: perhaps}", "'perhaps' is not of type 'boolean'"),
        ("job_configuration: {task_run_reqest: {}}", "no 'task_run_reqest'"),
        ("variables: {working_dir: $NOWHERE}", "asks for NOWHERE"),
    ],
)
def test_a_file_that_does_not_fit_its_worker_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    """A misspelt word, a wrong type, a variable that nobody set."""
    (tmp_path / "process.yaml").write_text(text)

    with pytest.raises(ConfigurationError, match=reason):
        pools.describe("process", {}, tmp_path)


def test_what_a_server_has_is_compared_with_the_file() -> None:
    """Prefect's own template, as `prefect work-pool create` makes it, is another one."""
    wanted = pools.describe("process", {})
    other = resolve_name(pools.WORKERS["process"]).get_default_base_job_template()

    assert list(pools.differences(wanted, wanted.template)) == []
    assert list(pools.differences(wanted, other)) == ["stream_output"]
