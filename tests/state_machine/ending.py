"""What holds when the faults have stopped: the environment is exactly new or exactly old, and every push has its outcome."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from tests.state_machine.doors import Ledger
from tests.state_machine.world import FIRST, Commit, InvariantError, World

OUTCOMES = {"released", "rolled_back", "schema_kept", "superseded", "rejected"}
"""All but `frozen`: nothing here needs a person."""
STORY = """
SELECT promotions.id::text, commit, outcome, cause, verified_at, ended_at, rollback_to IS NOT NULL OR forced AS wished, rollback_to, plan.result AS plan
FROM promotions JOIN pushes ON pushes.id = push
LEFT JOIN steps plan ON plan.promotion = promotions.id AND plan.stage = 'plan_rollback'
ORDER BY verified_at, ended_at
"""


def check_the_end(world: World, ledger: Ledger) -> None:
    """Raise InvariantError unless everything agrees."""
    story = ledger.rows(STORY)
    for one in story:
        _hold(one["outcome"] in OUTCOMES, "I1", f"{one['commit'][-2:]} ended as {one['outcome']}: {one['cause']}")
    frozen = ledger.rows("SELECT frozen_reason FROM environments WHERE frozen_at IS NOT NULL")
    _hold(not frozen, "I1", f"the environment is frozen: {frozen}")
    verified = [one for one in story if one["verified_at"] is not None]
    _once_and_forward(verified)
    release = world.commit(verified[-1]["commit"]) if verified else world.commits[0]
    _runs(world, release)
    _schema(world, story, verified[-1] if verified else None)
    _names(world, ledger, release, [one["commit"] for one in verified])


def snapshot(world: World, ledger: Ledger) -> tuple[Any, ...]:
    """Return all that `recover` could change."""
    tasks = [(task.definition, task.status) for task in world.fleet.tasks]
    outside = (world.head, dict(world.images), dict(world.tags), world.fleet.primary.definition, tasks)
    return (*outside, ledger.rows(STORY), ledger.rows("SELECT * FROM environments"))


def _once_and_forward(verified: list[dict[str, Any]]) -> None:
    """Hold that no push is deployed twice, and none after something newer, unless a person wishes it (I7)."""
    pushed = [one["commit"] for one in verified if not one["wished"]]
    _hold(len(pushed) == len(set(pushed)), "I7", f"verified were {pushed}")
    for before, after in pairwise(verified):
        forward = after["wished"] or before["commit"] < after["commit"]
        _hold(forward, "I7", f"{after['commit']} was verified after {before['commit']}")


def _runs(world: World, release: Commit) -> None:
    fleet = world.fleet
    running = {world.commit_of(task.definition).number for task in fleet.tasks if task.status != "STOPPED"}
    _hold(running == {release.number}, "I1", f"commits {running} run, {release.number} is the release")
    primary = fleet.primary
    _hold(primary.rollout == "COMPLETED", "I1", f"the deployment is {primary.rollout}")
    _hold(release.behaviour == "good", "I2", f"a release that is {release.behaviour} is VERIFIED")


def _schema(world: World, story: list[dict[str, Any]], last: dict[str, Any] | None) -> None:
    """Hold that the schema is the release's, or the one that a promotion after it had to keep (I1)."""
    since = None if last is None else last["verified_at"]
    kept = [one for one in story if one["outcome"] == "schema_kept" and (since is None or one["ended_at"] > since)]
    heads = {world.commit(one["commit"]).head for one in kept} or {_head(world, last)}
    _hold(world.head in heads, "I1", f"the schema is at {world.head}, not at {heads}")


def _head(world: World, last: dict[str, Any] | None) -> int:
    """Return the schema that the last release was verified on."""
    if last is None:
        return 0
    if last["rollback_to"] is None:
        return world.commit(last["commit"]).head
    return int((last["plan"]["downgrade"] or {"after": last["plan"]["heads"]})["after"][0])


def _names(world: World, ledger: Ledger, release: Commit, verified: list[str]) -> None:
    """Hold that exactly what was verified has a tag, and that number, commit, digest and what runs agree (I2, I5, I6)."""
    versions = {row["commit"]: row for row in ledger.rows("SELECT * FROM versions")}
    tags = {FIRST: world.commits[0].hash, **{versions[commit]["tag"]: commit for commit in verified}}
    _hold(world.tags == tags, "I2", f"the tags are {world.tags}, verified is {tags}")
    digests = {row["tag"]: row["digest"] for row in versions.values() if row["digest"]}
    pushed = {tag: digest for tag, digest in world.images.items() if tag in digests}
    _hold(pushed == digests, "I6", f"the registry has {pushed}, the ledger {digests}")
    digest = world.images[FIRST if release.number == 0 else versions[release.hash]["tag"]]
    _hold(world.images["latest"] == digest, "I1", f":latest names {world.images['latest']}, the release is {digest}")
    running = world.fleet.image(world.fleet.primary.definition).rpartition("@")[2]
    _hold(running == digest, "I5", f"{running} runs, {digest} was tested")


def _hold(holds: bool, invariant: str, what: str) -> None:  # noqa: FBT001 - reads as a sentence where it is called
    if not holds:
        raise InvariantError(f"{invariant}: {what}")
