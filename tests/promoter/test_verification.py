"""What is wrong with an environment, by what was seen there and what the ledger says of it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from promoter.config import Service
from promoter.errors import RolloutError
from promoter.health import Answer
from promoter.ledger.promotions import Promotion
from promoter.ledger.steps import Step
from promoter.records import Image, Push, RollbackPlan, SchemaChange, SchemaDowngrade, Version
from promoter.verification import Expectation, Seen, compare, expectation, is_trusted

NOW = datetime(2026, 1, 1, tzinfo=UTC)
COMMIT, DIGEST = "a" * 40, f"sha256:{'1' * 64}"
VERSION = Version("v1.1.0", "1.1.0", "v1.0.2", COMMIT, "main", "because")
IMAGE = Image("registry.example/api", "v1.1.0", DIGEST, ("linux/amd64",))
EXPECTED = Expectation(UUID(int=1), VERSION, "main", IMAGE, ("two",), tagged=True, latest=True)
WHOLE = Seen(Answer("right", "healthy", "v1.1.0"), IMAGE.reference, None, ("two",), COMMIT, DIGEST)


def test_an_environment_that_runs_what_was_released_is_well() -> None:
    """Nothing is found, and nothing is doubted."""
    assert compare(EXPECTED, WHOLE) == ()


@pytest.mark.parametrize(
    ("seen", "kind", "what"),
    [
        ({"health": Answer("status code", "status 500: oops")}, "sick", "health: status 500: oops"),
        ({"health": Answer("version", "version 'v1.0.2', expected v1.1.0")}, "sick", "health: version 'v1.0.2'"),
        ({"fleet": "task 1 runs tsk:1"}, "sick", "tasks: task 1 runs tsk:1"),
        ({"image": "registry.example/api:v1.0.2"}, "drift", "image: registry.example/api:v1.0.2, released was"),
        ({"heads": ("one",)}, "drift", "schema: one, released was two"),
        ({"heads": ()}, "drift", "schema: no revision, released was two"),
        ({"tag": None}, "drift", f"git tag v1.1.0: none, released was {COMMIT}"),
        ({"latest": "sha256:2"}, "drift", ":latest: sha256:2, released was sha256:1"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_is_not_as_it_was_released_is_named(seen: dict[str, Any], kind: str, what: str) -> None:
    """Each part for itself, and the release is not trusted."""
    (found,) = compare(EXPECTED, replace(WHOLE, **seen))

    assert (found.kind, found.what[: len(what)]) == (kind, what)
    assert not is_trusted([found])


@pytest.mark.parametrize("part", ["health", "image", "fleet", "heads", "tag", "latest"])
def test_what_cannot_be_looked_at_is_told_and_takes_no_right_away(part: str) -> None:
    """AWS that throttles says nothing of the release."""
    found = compare(EXPECTED, replace(WHOLE, **{part: RolloutError("ECS throttles", transient=True)}))

    assert [(one.kind, one.what) for one in found] == [("unseen", f"{part}: ECS throttles")]
    assert is_trusted(found)


def test_before_the_first_release_a_service_only_has_to_be_well() -> None:
    """Nobody knows what it should run."""
    seen = replace(WHOLE, image="other", heads=("x",), tag=None, latest=None)

    assert compare(None, seen) == ()
    assert [one.kind for one in compare(None, replace(seen, health=Answer("no answer", "refused")))] == ["sick"]


@pytest.fixture
def promotion(make_service: Callable[..., Service]) -> Promotion:
    """Return a promotion to production that was verified."""
    push = Push(repository="https://git.example/api.git", branch="main", commit=COMMIT, base="v1.0.2")
    return Promotion(UUID(int=1), push, make_service(), None, None, NOW, NOW, NOW, "released", None)


def step(stage: str, result: object) -> Step:
    """Return a step that was done."""
    return Step(stage, type(result).__name__, None, result, None, NOW, NOW, None)


def test_a_release_left_what_its_steps_say(promotion: Promotion) -> None:
    """Its image, its schema, and the names that its branch gives."""
    steps = [
        step("compute_version", VERSION),
        step("publish_image", IMAGE),
        step("migrate", SchemaChange((), ("two",))),
    ]

    assert expectation(promotion, steps, None) == EXPECTED


@pytest.mark.parametrize("downgrade", [None, SchemaDowngrade(("two",), ("one",), COMMIT)])
def test_a_rollback_left_the_older_release_on_the_schema_that_it_said(
    promotion: Promotion, downgrade: SchemaDowngrade | None
) -> None:
    """The live one, or the one that it went down to."""
    plan = RollbackPlan(VERSION, IMAGE, "tsk:1", "v1.2.0", ("two",), downgrade, "because")

    found = expectation(promotion, [step("plan_rollback", plan)], None)

    assert (found.version, found.image, found.heads) == (VERSION, IMAGE, ("one",) if downgrade else ("two",))


def test_a_schema_that_was_kept_later_is_the_one_to_expect(promotion: Promotion) -> None:
    """The release runs on it: that is how the promotion after it ended."""
    steps = [
        step("compute_version", VERSION),
        step("publish_image", IMAGE),
        step("migrate", SchemaChange((), ("two",))),
    ]

    assert expectation(promotion, steps, SchemaChange(("two",), ("three",))).heads == ("three",)
