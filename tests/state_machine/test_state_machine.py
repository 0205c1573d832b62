"""Whatever fails, dies, hangs or comes twice, in whatever order: the environment ends exactly new or exactly old."""

from collections.abc import Callable, Iterator

import psycopg
import pytest
from hypothesis import HealthCheck, Phase
from hypothesis import settings as hypothesis_settings
from hypothesis.stateful import run_state_machine_as_test
from psycopg.rows import dict_row

from promoter.config import Service
from promoter.settings import Settings
from tests.conftest import environment
from tests.state_machine.machine import Installation, Promotions


@pytest.fixture
def installation(settings: Settings, make_service: Callable[..., Service]) -> Iterator[Installation]:
    """Return a service that is promoted to production with short deadlines, and a ledger of its own."""
    short = {name: {**environment(name), "rollout_timeout": 30, "health_timeout": 5} for name in ("staging", "production")}
    assert settings.ledger_password is not None
    patient = settings.model_copy(update={"lease_seconds": 3600})
    with psycopg.connect(
        settings.ledger_url, password=settings.ledger_password.get_secret_value(), row_factory=dict_row
    ) as database:
        yield Installation(patient, make_service(environments=short), database)


def test_every_story_ends_exactly_new_or_exactly_old(installation: Installation) -> None:
    """No fault, and no two of them, leaves the environment half changed."""

    class Story(Promotions):
        pass

    Story.installation = installation
    run_state_machine_as_test(
        Story,
        settings=hypothesis_settings(
            max_examples=100, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True
        ),
    )
