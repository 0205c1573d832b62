"""Whatever fails, dies, hangs or comes twice, in whatever order: the environment ends exactly new or exactly old."""

import pytest
from hypothesis import settings

from tests.state_machine.conftest import Tell

PARTS = 4
"""So that two can be told at a time."""
STORIES, DEEP_STORIES = 300, 10_000
"""In `make test`, always the same ones; in `make test-deep`, new ones each time."""


@pytest.mark.parametrize("part", range(PARTS))
def test_every_story_ends_exactly_new_or_exactly_old(tell: Tell, part: int) -> None:
    """No fault, and no two of them, leaves the environment half changed (I1 to I7 and I9)."""
    if settings.get_current_profile_name() == "deep":
        tell(stories=DEEP_STORIES // PARTS)
    else:
        tell(stories=STORIES // PARTS, seed=part)
