"""What a rollback reads of the past: verified releases, and schema changes that were not taken back."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from promoter.config import Service
from promoter.ledger import promotions, releases, steps
from promoter.ledger.connection import connect
from promoter.ledger.promotions import Promotion
from promoter.records import Image, Push, Rehearsal, SchemaChange, TaskDefinition, Version
from promoter.settings import Settings

PUSH = Push(repository="https://git.example/api.git", branch="test", commit="a" * 40, base="v1.0.2")


@pytest.fixture
def service(make_service: Callable[..., Service]) -> Service:
    """Return the service that is promoted."""
    return make_service()


def promote(
    settings: Settings, service: Service, number: int, *heads: str, verified: bool = True, kept: str | None = None
) -> Promotion:
    """Write a promotion that took the schema from the first of `heads` to the last."""
    commit = f"{number:040x}"
    tag = f"v1.0.{number}-test"
    change = SchemaChange(heads[:1], heads[-1:])
    records = {
        "compute_version": Version(tag, tag[1:], "v1.0.2", commit, "test", "because"),
        "rehearse": Rehearsal(change.before, change.after, "lossless", "fine", old_release_compatible=True),
        "publish_image": Image("registry.example/api", tag, f"sha256:{number:064x}", ("linux/amd64",)),
        "migrate": change,
        "register": TaskDefinition(f"api:{number - 1}", f"api:{number}"),
    }
    with connect(settings) as ledger:
        promotion = promotions.accept(ledger, service, replace(PUSH, commit=commit))
        for stage, record in records.items():
            steps.begin(ledger, promotion.id, stage, type(record).__name__)
            steps.finish(ledger, promotion.id, stage, record)
        if kept:
            steps.undo(ledger, promotion.id, "register", "undone")
            steps.undo(ledger, promotion.id, "migrate", kept)
        if verified:
            promotions.verify(ledger, promotion.id)
        promotions.end(ledger, promotion.id, "released" if verified else "rolled_back")
    return promotion


def test_releases_are_told_the_newest_first_with_what_brings_them_back(settings: Settings, service: Service) -> None:
    """Image, definition and schema are those that were verified."""
    for number in (3, 4):
        promote(settings, service, number, "a")

    with connect(settings) as ledger:
        found = releases.verified(ledger, "api", "staging")

    assert [one.version.tag for one in found] == ["v1.0.4-test", "v1.0.3-test"]
    assert (found[0].definition, found[0].heads, found[0].image.tag) == ("api:4", ("a",), "v1.0.4-test")


def test_what_failed_was_never_verified(settings: Settings, service: Service) -> None:
    """Nobody goes back to a release that never answered."""
    promote(settings, service, 3, "a", verified=False)

    with connect(settings) as ledger:
        assert releases.verified(ledger, "api", "staging") == []
        assert releases.timeline(ledger, "api", "staging") == []


def test_after_a_rollback_the_release_that_it_brought_back_runs(settings: Settings, service: Service) -> None:
    """The rollback is no release of its own."""
    old, new = promote(settings, service, 3, "a"), promote(settings, service, 4, "a")
    with connect(settings) as ledger:
        assert releases.timeline(ledger, "api", "staging") == [new.id, old.id]
        back = promotions.roll_back(ledger, service, old.id)
        promotions.verify(ledger, back.id)
        promotions.end(ledger, back.id, "released")

    with connect(settings) as ledger:
        assert releases.timeline(ledger, "api", "staging") == [old.id, new.id, old.id]
        assert len(releases.verified(ledger, "api", "staging")) == 2
        assert promotions.accept(ledger, service, new.push).id == new.id


@pytest.mark.parametrize(("kept", "counts"), [(None, True), ("kept", True), ("undone", False), ("nothing", False)])
def test_a_schema_change_counts_until_it_is_taken_back(
    settings: Settings, service: Service, kept: str | None, *, counts: bool
) -> None:
    """A schema that was kept after a failed release is the live one."""
    promote(settings, service, 3, "a")
    promote(settings, service, 4, "a", "b", verified=False, kept=kept)

    with connect(settings) as ledger:
        found = releases.migrated(ledger, "api", "staging")

    assert [one.tag for one in found] == (["v1.0.4-test"] if counts else [])
    assert all(one.rehearsal is not None and one.commit == f"{4:040x}" for one in found)


def test_an_interrupted_rollback_is_resumed(settings: Settings, service: Service) -> None:
    """The same wish is the same promotion until that has ended."""
    old = promote(settings, service, 3, "a")

    with connect(settings) as ledger:
        first, second = promotions.roll_back(ledger, service, old.id), promotions.roll_back(ledger, service, old.id)
        promotions.end(ledger, first.id, "rolled_back")
        third = promotions.roll_back(ledger, service, old.id)

    assert first.id == second.id != third.id
    assert first.rollback_to == old.id


def test_the_image_of_a_commit_is_the_one_published_last(settings: Settings, service: Service) -> None:
    """Verified or not: its migrations can run as a task of it."""
    promote(settings, service, 3, "a", verified=False)
    promote(settings, service, 4, "a")

    with connect(settings) as ledger:
        found = releases.built(ledger, "api", "staging", f"{3:040x}")
        assert releases.built(ledger, "api", "staging", "f" * 40) is None
        assert releases.built(ledger, "api", "production", f"{3:040x}") is None

    assert found is not None
    assert (found.image.tag, found.definition) == ("v1.0.3-test", "api:3")
