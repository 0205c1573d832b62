"""What the demo makes of a push."""

from collections.abc import Callable

import pytest

from deployments.demo import story
from promoter.config import Service
from promoter.ledger import promotions
from promoter.ledger.connection import connect
from promoter.records import Push
from promoter.settings import Settings


def test_a_push_that_nobody_promotes_is_given_up(
    settings: Settings, make_service: Callable[..., Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says where to look; one that is promoted is waited for, however long it takes."""
    monkeypatch.setattr(story, "PATIENCE", -1.0)
    service, commit = make_service(), "a" * 40
    look = story._promotion(service, "test", commit)

    given_up = look()
    with connect(settings) as ledger:
        push = Push(repository=service.repository, branch="test", commit=commit, base=None)
        promotion = promotions.accept(ledger, service, push)

    assert "nobody promotes the push" in (given_up.crashed or "")
    assert given_up.has_ended
    assert look().promotion == promotion
    assert not look().has_ended
