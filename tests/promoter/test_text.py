"""What came from outside is shown safely."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promoter.text import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("\x1b[31mred\x1b[0m alarm", "red alarm", id="terminal colours"),
        pytest.param("\x1b]0;title\x07text", "text", id="terminal title"),
        pytest.param("one\r\n\ttwo\x00", "one two", id="control characters"),
        pytest.param("safe\u202eexe.txt\u200b", "safe exe.txt", id="invisible characters"),
        pytest.param("postgresql://app:s3cret@db/x", "postgresql://app:***@db/x", id="password of a URL"),
        pytest.param("postgresql://app:s3/c@ret@db/x", "postgresql://app:***@db/x", id="password with @ and /"),
        pytest.param("abcdef" * 50, "abcdef" * 33 + "a…", id="long"),
    ],
)
def test_text_becomes_one_safe_line(text: str, shown: str) -> None:
    """Escapes, control characters and passwords are gone, and a long text is cut."""
    assert printable(text) == shown


@settings(deadline=None)
@given(st.text(max_size=2000), st.integers(1, 300))
def test_every_text_becomes_printable(text: str, limit: int) -> None:
    """Whatever comes, one line of at most `limit` characters without control characters comes out."""
    shown = printable(text, limit)

    assert len(shown) <= limit
    assert not any(ord(character) < 32 or ord(character) == 127 for character in shown)
