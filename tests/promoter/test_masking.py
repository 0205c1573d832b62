"""No secret is seen in what a program says: not whole, not quoted, not shortened."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promoter.masking import mask, spellings

SECRET = "14TTlkvUb-zCdI5SBWU9YVC"


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        pytest.param(f"key={SECRET}.", "key=***.", id="whole"),
        pytest.param("{'KEY': '14TTlkvUb...SBWU9YVC'}", "{'KEY': '***...***'}", id="shortened by pydantic"),
        pytest.param("'14TTlk…U9YVC'", "'***…***'", id="shortened by a typographer"),
        pytest.param("and then ... nothing", "and then ... nothing", id="a pause"),
        pytest.param("14T...YVC", "14T...YVC", id="too short to be anything"),
    ],
)
def test_a_secret_is_not_seen(said: str, shown: str) -> None:
    """Its ends beside an ellipsis are as good as the whole to whoever has some patience."""
    assert mask(said, [SECRET]) == shown


def test_the_longest_secret_goes_first() -> None:
    """Else the rest of it would be left."""
    assert mask("abcdefgh", ["abcdef", "abcdefgh"]) == "***"


@pytest.mark.parametrize("secret", ['p@ss w"ord', "a\\b+c/d", "ünïcödé\n"])
def test_a_secret_is_known_in_every_spelling(secret: str) -> None:
    """In a URL, in JSON, in a Python literal."""
    assert mask(" ".join(spellings(secret)), spellings(secret)).split() == ["***"] * 7


@given(before=st.text(), secret=st.text("abcdef", min_size=6), after=st.text())
def test_whatever_stands_around_a_secret_it_is_gone(before: str, secret: str, after: str) -> None:
    """And without a secret to hide, nothing is changed."""
    said = before + secret + after

    assert secret not in mask(said, [secret])
    assert mask(said, []) == said
