"""Which revision is to blame for what the whole path does."""

import pytest

from promoter.records import LintFinding, Rehearsal, RevisionRehearsal, Verdict
from promoter.schema.hazards import Found, blame, hazards

DROPS = LintFinding("b", "b.py", 3, "ban-drop-column", "Dropping a column may break existing clients.", "warning")
SAID = "Dropping a column may break existing clients. (ban-drop-column)"


@pytest.mark.parametrize(
    ("path", "parts", "blamed"),
    [
        pytest.param([], {"a": ["t.x"]}, {}, id="what the path mends"),
        pytest.param(["t.x"], {"a": ["t.x"]}, {"a": ("t.x",)}, id="by name"),
        pytest.param(["t.x"], {"a": ["t.x"], "b": ["t.y"]}, {"a": ("t.x",)}, id="only those of the path"),
        pytest.param(["t.x"], {"a": ["t.y"]}, {"a": ("t.x",)}, id="renamed on the way"),
        pytest.param(["t.x"], {}, {"b": ("t.x",)}, id="the last where nobody knows"),
        pytest.param(
            ["t.x", "u.z"], {"a": ["t.x"], "b": ["u.y"]}, {"a": ("t.x",), "b": ("u.z",)}, id="nothing is left over"
        ),
    ],
)
def test_what_the_path_does_is_found_in_its_revisions(
    path: list[str], parts: dict[str, list[str]], blamed: dict[str, tuple[str, ...]]
) -> None:
    """By the same name, else by who does something else, else the last one."""
    assert blame(path, parts, ["a", "b"]) == blamed


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [
        pytest.param("lossless", {}, id="proved"),
        pytest.param("unproved", {"destructive": (SAID,), "incompatible": (SAID,)}, id="not proved"),
    ],
)
def test_what_the_rehearsal_could_not_see_the_linter_says(verdict: Verdict, expected: Found) -> None:
    """A drop that the rehearsal proved harmless is none; one that it could not play is taken at its word."""
    rehearsal = Rehearsal(("a",), ("b",), verdict, "", (RevisionRehearsal("b", verdict, ""),), True)  # noqa: FBT003

    assert hazards(rehearsal, {"b": [DROPS]}) == {"b": expected}
