"""What the file of a migration says about itself."""

from pathlib import Path

import pytest

from promoter.errors import SchemaError
from promoter.schema import sources

HEAD = '"""Forget."""\nfrom alembic import op\n\n'
UPGRADE = """
def upgrade() -> None:
    op.drop_index("by_mood")
    op.drop_column(
        "notes",
        "mood",
    )
    op.execute("DELETE FROM notes WHERE draft")
"""


def write(tmp_path: Path, text: str) -> Path:
    """Write a version file."""
    path = tmp_path / "versions" / "forget.py"
    path.parent.mkdir()
    path.write_text(text)
    return path


def test_an_acknowledgement_has_a_kind_and_a_reason(tmp_path: Path) -> None:
    """Anywhere in the file; a text that looks like one is none."""
    comments = "# promoter: acknowledge destructive: nobody reads it\n"
    inner = UPGRADE.replace("    )\n", "    )  # promoter: acknowledge incompatible: the service is off\n")
    text = HEAD + comments + inner + '\nNAME = "# promoter: acknowledge incompatible: no comment"\n'

    found = sources.read(write(tmp_path, text), tmp_path)

    assert found.file == "versions/forget.py"
    assert found.acknowledged == {"destructive": "nobody reads it", "incompatible": "the service is off"}


@pytest.mark.parametrize("said", ["acknowledge destructive:", "acknowledge destruction: x", "ignore", "acknowledge"])
def test_an_acknowledgement_in_other_words_is_refused(tmp_path: Path, said: str) -> None:
    """Silence would be taken for a yes by whoever wrote it."""
    path = write(tmp_path, f"{HEAD}# promoter: {said}\n{UPGRADE}")

    with pytest.raises(SchemaError, match=r"^versions/forget.py:4: .* acknowledges nothing"):
        sources.read(path, tmp_path)


@pytest.mark.parametrize(
    ("text", "line"),
    [("ALTER TABLE notes DROP COLUMN mood", 7), ("notes.draft", 11), ("DROP INDEX by_mood", 6), ("users", 5)],
)
def test_the_line_is_that_of_the_statement(tmp_path: Path, text: str, line: int) -> None:
    """The one with most words in common, else where `upgrade` begins."""
    assert sources.read(write(tmp_path, HEAD + UPGRADE), tmp_path).line_of(text) == line
