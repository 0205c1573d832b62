"""The roles of the sandbox are those of the templates, filled in for the sample service."""

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from deployments.sandbox import roles
from deployments.sandbox.provision import definition
from deployments.sandbox.sample.service import ENVIRONMENTS, service
from promoter.config import Migrations, Service
from promoter.records import Image

IMAGE = Image("127.0.0.1:5000/api", "v1.0.0", "sha256:" + "a" * 64, ("linux/amd64",))
SECRETS = {name: f"arn:aws:secretsmanager:us-east-2:123456789012:secret:{name}-AbCdEf" for name in ENVIRONMENTS}


@pytest.fixture
def sample() -> Service:
    """Return the sample service as the sandbox runs it."""
    return sample_with(role=roles.role)


def sample_with(**parts: Any) -> Service:
    """Return the sample service; without a `role` its environments name none."""
    urls = {name: f"http://127.0.0.1:1/{name}" for name in ENVIRONMENTS}
    return service(Path("/sample.git"), "127.0.0.1:5000", urls, "http://127.0.0.1:1", **parts)


def test_every_template_gets_what_it_asks_for(sample: Service) -> None:
    """Each parameter that has no default is filled in, and none that there is not."""
    found = list(roles.stacks(sample, SECRETS))

    assert [stack.name for stack in found] == [
        "promoter-boundary",
        "promoter-worker",
        *(f"promoter-{kind}-{name}" for name in ENVIRONMENTS for kind in roles.KINDS),
    ]
    for stack in found:
        parameters = YAML().load(roles.TEMPLATES / f"{stack.template}.yaml")["Parameters"]
        assert {name for name, one in parameters.items() if "Default" not in one} <= set(stack.parameters), stack.name
        assert set(stack.parameters) <= set(parameters), stack.name


def test_the_worker_may_become_the_roles_that_the_file_names(sample: Service) -> None:
    """The file and the template say the same ARNs."""
    worker = next(stack for stack in roles.stacks(sample, SECRETS) if stack.template == "worker")
    named = {
        role
        for one in sample.environments.values()
        for role in (one.deployer_role, one.migrator_role, one.verifier_role)
    }

    assert set(worker.parameters["Roles"].split(",")) == named


@pytest.mark.parametrize(("runner", "runs"), [("subprocess", "false"), ("ecs-task", "true")])
def test_a_deployer_runs_tasks_only_where_migrations_are_tasks(sample: Service, runner: str, runs: str) -> None:
    """As the service's file says."""
    rule = Migrations.model_validate({"runner": runner})
    found = roles.stacks(sample.model_copy(update={"migrations": rule}), SECRETS)

    assert {stack.parameters["RunsMigrations"] for stack in found if stack.template == "deployer"} == {runs}


def test_the_first_definition_has_the_roles_that_the_deployer_may_pass(sample: Service) -> None:
    """What was registered once is registered again with each release."""
    staging = sample.environment("staging")
    deployer = next(stack for stack in roles.stacks(sample, SECRETS) if stack.name == "promoter-deployer-staging")

    request = definition(sample, staging, IMAGE, SECRETS["staging"])

    assert request["taskRoleArn"] == deployer.parameters["TaskRole"]
    assert request["executionRoleArn"] == deployer.parameters["ExecutionRole"]


def test_where_no_role_is_named_none_is_made() -> None:
    """The worker does everything as itself then."""
    bare = sample_with()

    assert list(roles.stacks(bare, SECRETS)) == []
    assert "taskRoleArn" not in definition(bare, bare.environment("staging"), IMAGE, SECRETS["staging"])
