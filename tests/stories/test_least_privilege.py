"""The whole story with the roles of the templates: each call is allowed, and each statement is used."""

import pytest

from deployments.sandbox.aws.authoriser import many, statements
from deployments.sandbox.aws.trail import Entry
from deployments.sandbox.sample.scenarios import Scenario
from deployments.sandbox.sandbox import Sandbox
from tests.deployments.aws.account import Account, role_arn
from tests.stories import privilege
from tests.stories.conftest import Stage
from tests.stories.test_rollback import roll_back
from tests.stories.test_verify_health import verified
from tests.stories.test_way_back import release

pytestmark = [pytest.mark.xdist_group("other sandbox"), pytest.mark.slow]


def test_the_whole_story_needs_every_statement_of_the_templates(stage: Stage, running: Sandbox) -> None:
    """Two releases, a failed one, the way back by itself and by a person, and the clock's look at what is left.

    What is denied, and what is done beside the table, fails at the end of all stories; see `privilege.kept`.
    """
    released = [release(stage, Scenario.NEW_MIGRATION), release(stage, Scenario.GOOD)]
    failed = release(stage, Scenario.CRASH_AT_START)
    back = roll_back(stage)

    assert [told.promotion.outcome for told in (*released, back)] == ["released"] * 3
    assert failed.promotion.outcome == "rolled_back"
    assert verified(stage)["name"] == "Well"
    assert {(role.split("-")[1], *use) for role, *use in privilege.used(running)} == granted(running)


@pytest.mark.parametrize(
    ("role", "action", "resource", "denied", "wrong"),
    [
        pytest.param("deployer-staging", "ecs:UpdateService", "x", "", False, id="its own call"),
        pytest.param("deployer-staging", "iam:PassRole", "x", "", False, id="what its call implies"),
        pytest.param("deployer-staging", "ecs:UpdateService", "x", "implicit deny", True, id="its own call, denied"),
        pytest.param("deployer-staging", "secretsmanager:GetSecretValue", "x", "", True, id="another role's call"),
        pytest.param("verifier-production", "ecs:UpdateService", "x", "", True, id="a look that changes something"),
        pytest.param("worker", "sts:AssumeRole", "x", "", False, id="the worker's one call"),
        pytest.param("worker", "ecs:ListTasks", "*", "implicit deny", True, id="the worker as itself"),
        pytest.param("migrator-staging", "secretsmanager:GetSecretValue", "nowhere", "no", False, id="a story's wish"),
        pytest.param("migrator-staging", "sts:GetCallerIdentity", "*", "", False, id="who it is"),
    ],
)
def test_what_is_done_beside_the_table_is_found(
    role: str,
    action: str,
    resource: str,
    denied: str,
    wrong: bool,  # noqa: FBT001 - what holds
) -> None:
    """The check at the end of all stories could fail."""
    session = f"arn:aws:sts::123456789012:assumed-role/promoter-{role}/promoter-x"

    assert privilege.is_wrong(Entry(session, action, resource, denied)) is wrong


def granted(running: Sandbox) -> set[tuple[str, ...]]:
    """Return what the account's IAM grants: the kind of role, the statement, the action."""
    account = Account(running.parts["aws"].url)
    roles = {"worker": role_arn("worker"), **{kind: role_arn(kind, "staging") for kind in privilege.PURPOSES}}
    return {
        (kind, str(statement["Sid"]), str(action))
        for kind, role in roles.items()
        for document in account.powers(role).identity
        for statement in statements(document)
        for action in many(statement["Action"])
    }
