"""The trail has every line whole, whoever writes it."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from deployments.sandbox.aws import trail
from deployments.sandbox.aws.authoriser import Powers, Request
from deployments.sandbox.aws.trail import Entry, Trail

SESSION = "arn:aws:sts::123456789012:assumed-role/promoter-deployer-staging/promoter-deploy-1"


def test_what_is_noted_is_read_again(tmp_path: Path) -> None:
    """From many threads, and by another server after this one."""
    entries = [Entry(SESSION, "ecs:ListTasks", f"task\n{number}", allowed_by=("ListTasks",)) for number in range(200)]
    for part in (entries[:150], entries[150:]):
        written = Trail(tmp_path)
        with ThreadPoolExecutor() as pool:
            list(pool.map(written.note, part))
        written.close()

    assert sorted(trail.read(tmp_path), key=lambda one: one.resource) == sorted(entries, key=lambda one: one.resource)


def test_an_entry_says_who_wanted_what_and_why_not() -> None:
    """For a person who looks for what is missing."""
    entry = Entry(SESSION, "ecs:StopTask", "arn:aws:ecs:…:task/x", "implicit deny in its identity-based policy")

    assert (entry.role, entry.subject) == ("promoter-deployer-staging", "promoter-deploy-1")
    assert str(entry) == (
        "promoter-deploy-1 as promoter-deployer-staging: ecs:StopTask on arn:aws:ecs:…:task/x"
        " implicit deny in its identity-based policy"
    )


def test_the_statements_that_allow_a_request_are_named() -> None:
    """All of them, and none that only might have."""

    def allow(sid: str, action: str) -> dict[str, str]:
        return {"Sid": sid, "Effect": "Allow", "Action": action, "Resource": "*"}

    powers = Powers(({"Statement": [allow("One", "ecs:*"), allow("Two", "logs:*"), allow("Three", "ecs:ListTasks")]},))

    assert powers.allowing(Request("ecs:ListTasks", "*")) == ("One", "Three")
