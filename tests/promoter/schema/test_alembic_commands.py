"""What plain Alembic is told, and what it cannot be told."""

from typing import Any

import pytest

from promoter.errors import SchemaError
from promoter.schema.alembic_commands import commands, expand
from promoter.schema.revisions import script

TEMPLATE = ("python", "-m", "alembic", "{command}", "{target}")


@pytest.fixture
def found(project: Any) -> Any:
    """Return a history that forks after `two`: `left` and `right`, and an island that stands alone."""
    project.revision("one", None)
    project.revision("two", "one")
    project.revision("left", "two")
    project.revision("right", "two")
    project.revision("right2", "right")
    project.revision("island", None)
    return script(project.path, project.runner().rule)


def targets(found: Any, direction: Any, start: tuple[str, ...], target: tuple[str, ...]) -> list[str]:
    """Return the last word of each command."""
    return [argv[-1] for argv in commands(TEMPLATE, direction, start, target, found)]


def test_a_command_is_the_template_filled_in() -> None:
    """Each part stays one argument: nothing is split, nothing goes through a shell."""
    assert expand(TEMPLATE, "upgrade", "a b") == ("python", "-m", "alembic", "upgrade", "a b")
    assert expand(("sh", "-c", "cd /srv && alembic {command} {target}"), "downgrade", "x")[2].endswith("downgrade x")


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        pytest.param(("two",), ["two"], id="one head"),
        pytest.param(("island", "left", "right2"), ["heads"], id="every head"),
        pytest.param(("left", "right2"), ["left", "right2"], id="some heads, one command each"),
    ],
)
def test_an_upgrade_goes_to_exact_heads(found: Any, target: tuple[str, ...], expected: list[str]) -> None:
    """`heads` where all of them are meant, for one command is one transaction."""
    assert targets(found, "upgrade", (), target) == expected


@pytest.mark.parametrize(
    ("start", "target", "expected"),
    [
        pytest.param(("right2",), ("one",), ["one"], id="down one line"),
        pytest.param(("island", "left", "right2"), (), ["base"], id="everything"),
    ],
)
def test_a_downgrade_of_one_line_is_one_command(
    found: Any, start: tuple[str, ...], target: tuple[str, ...], expected: list[str]
) -> None:
    """And so is that of all there is."""
    assert targets(found, "downgrade", start, target) == expected


@pytest.mark.parametrize(
    ("start", "target"),
    [
        pytest.param(("left", "right2"), ("left", "right"), id="one of two branches"),
        pytest.param(("left", "right"), ("two",), id="two branches at once"),
        pytest.param(("island", "two"), ("one",), id="a line beside another head"),
    ],
)
def test_a_downgrade_that_plain_alembic_has_no_words_for_is_refused(
    found: Any, start: tuple[str, ...], target: tuple[str, ...]
) -> None:
    """It would leave a branch where it is, or take one along; the hint says what can do it."""
    with pytest.raises(SchemaError, match="are not one line") as caught:
        targets(found, "downgrade", start, target)

    assert not caught.value.transient
    assert 'runner = "subprocess"' in str(caught.value)


def test_a_merge_is_no_line(project: Any) -> None:
    """`alembic downgrade left` from a merge leaves the other branch's revision as a second head."""
    project.revision("root", None)
    project.revision("left", "root")
    project.revision("right", "root")
    project.revision("join", ("left", "right"))
    merged = script(project.path, project.runner().rule)

    with pytest.raises(SchemaError, match="are not one line"):
        targets(merged, "downgrade", ("join",), ("left",))
    with pytest.raises(SchemaError, match="are not one line"):
        targets(merged, "downgrade", ("join",), ("left", "right"))
