"""Promoter's home on AWS, read and held against what it runs: no emulation starts it."""

from string import Template
from typing import Any

import pytest
from ruamel.yaml import YAML
from ruamel.yaml.comments import TaggedScalar

from deployments import cli, pools
from promoter.inheritance import SECRET
from tests.deployments.aws.account import TEMPLATES
from tests.deployments.server.test_compose import NAMES, read

TEMPLATE: dict[str, Any] = YAML().load(TEMPLATES / "worker-service.yaml")
RESOURCES = TEMPLATE["Resources"]
FLOW = RESOURCES["FlowRun"]["Properties"]["ContainerDefinitions"][0]
CONTAINERS = {one["Name"]: one for one in [*RESOURCES["TaskDefinition"]["Properties"]["ContainerDefinitions"], FLOW]}


def names(container: dict[str, Any], part: str) -> set[str]:
    """Return the names of a container's variables or secrets, those too that it has under a condition."""
    return {(one[1] if isinstance(one, list) else one)["Name"] for one in container[part]}


@pytest.mark.parametrize("name", CONTAINERS)
def test_every_variable_is_one_that_somebody_reads(name: str) -> None:
    """And what is secret comes from Secrets Manager."""
    container = CONTAINERS[name]
    plain, secret = names(container, "Environment"), names(container, "Secrets")

    assert (plain | secret) - NAMES == set()
    assert not any(SECRET.fullmatch(one) for one in plain)
    assert "PREFECT_API_AUTH_STRING" in secret


@pytest.mark.parametrize("name", ["worker", "watcher", "flow"])
def test_github_is_shown_what_happens_where_the_secret_has_a_key_for_it(name: str) -> None:
    """Who promotes and who recovers shows it; a key that is not there would keep the whole task from starting."""
    conditional = {one[1]["Name"]: str(one[0]) for one in CONTAINERS[name]["Secrets"] if isinstance(one, list)}

    assert conditional == {
        "PROMOTER_GITHUB_TOKEN": "WithToken",
        "PROMOTER_GITHUB_APP_ID": "AsApp",
        "PROMOTER_GITHUB_APP_KEY": "AsApp",
    }


@pytest.mark.parametrize("name", ["worker", "watcher", "gateway"])
def test_every_command_is_one_that_exists(name: str) -> None:
    """Worker, watcher and gateway, each as the compose file starts it."""
    command = [str(word) for word in CONTAINERS[name]["Command"]]

    assert read(command), command
    assert command[0] == "prefect" or command[1] in cli.COMMANDS


def test_a_flow_that_is_a_task_has_what_its_worker_has() -> None:
    """Environment, secrets, image, user: a promotion does not care where it runs."""
    worker = CONTAINERS["worker"]

    for part in ("Environment", "Secrets"):
        assert names(FLOW, part) == names(worker, part)
    assert FLOW["Image"].value == worker["Image"].value
    assert (FLOW["User"], FLOW["StopTimeout"]) == (worker["User"], worker["StopTimeout"])
    assert "Command" not in FLOW


def test_the_outputs_are_what_the_pool_asks_for() -> None:
    """Each is described by the variable that it is the value of."""
    wanted = Template((pools.HERE / "ecs.yaml").read_text()).get_identifiers()
    outputs = [str(one["Description"]) for one in TEMPLATE["Outputs"].values()]

    assert sorted(outputs) == sorted(wanted)
    assert FLOW["Name"] == YAML(typ="safe").load(pools.HERE / "ecs.yaml")["variables"]["container_name"]


def test_the_worker_may_start_flows_only_where_they_are_tasks() -> None:
    """One definition, in one cluster, with two roles; the boundary lets it, and no more is asked for than the boundary lets."""
    statements = RESOURCES["StartFlowRuns"]["Properties"]["PolicyDocument"]["Statement"]
    boundary = YAML().load(TEMPLATES / "boundary.yaml")["Resources"]["Boundary"]["Properties"]["PolicyDocument"]
    asked = {action for one in statements for action in many(one["Action"])}

    assert RESOURCES["StartFlowRuns"]["Condition"] == "AsTasks"
    assert asked <= set(boundary["Statement"][0]["Action"])
    assert [one["Sid"] for one in statements if one["Resource"] == "*"] == ["ReadTheirDefinition"]
    (passed,) = [one for one in statements if one["Action"] == "iam:PassRole"]
    assert all(isinstance(role, TaggedScalar) for role in passed["Resource"])


def many(actions: Any) -> list[str]:
    """Return a statement's actions as a list."""
    return [actions] if isinstance(actions, str) else list(actions)
