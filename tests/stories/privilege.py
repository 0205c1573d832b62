"""What the stories did on AWS: every call was one of the table, made by the role that it belongs to, and none was denied."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deployments.sandbox.aws import trail
from deployments.sandbox.aws.trail import Entry
from deployments.sandbox.sandbox import Sandbox
from promoter.identities import ASSUME, CALLS, IMPLIED, Purpose

PURPOSES: dict[str, Purpose] = {"deployer": "deploy", "migrator": "migrate", "verifier": "verify"}
WORKER = "promoter-worker"
ALWAYS = frozenset({"sts:GetCallerIdentity"})
"""What everybody may, whatever a policy says; the doctor asks who it is."""
ASKED_FOR = {"nowhere": "the secret that a story's file names by mistake"}
"""Resources that a story wants to be denied."""


@contextmanager
def kept(running: Sandbox) -> Iterator[None]:
    """Fail at the end of the block where a role did what is not in the table, or asked for what it may not do."""
    yield
    made = list(trail.read(aws(running)))
    wrong = [str(one) for one in made if is_wrong(one)]
    assert not wrong, "\n".join(wrong)
    assert made, "nobody was anybody"


def is_wrong(entry: Entry) -> bool:
    """Return whether a role did what is not in the table, or was denied what no story wanted to be denied."""
    return entry.action not in table(entry.role) | ALWAYS or bool(entry.denied and entry.resource not in ASKED_FOR)


def aws(running: Sandbox) -> Path:
    """Return the folder of the sandbox's AWS."""
    return running.folder / "aws"


def table(role: str) -> frozenset[str]:
    """Return what the table has for a role of the templates."""
    if role == WORKER:
        return frozenset({ASSUME})
    calls = CALLS[PURPOSES[role.split("-")[1]]]
    return calls.union(*(IMPLIED.get(call, ()) for call in calls))


def used(running: Sandbox) -> set[tuple[str, str, str]]:
    """Return which role used which of its statements for which action so far."""
    made: list[Entry] = [one for one in trail.read(aws(running)) if not one.denied]
    return {(one.role, statement, one.action) for one in made for statement in one.allowed_by}
