"""The state machine on a ledger of its own, and how many stories are told."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, Phase
from hypothesis import seed as with_seed
from hypothesis import settings as profile
from hypothesis.stateful import run_state_machine_as_test
from psycopg.rows import dict_row

from promoter.config import Service
from promoter.settings import Settings
from tests.conftest import environment
from tests.state_machine.machine import Installation, Plant, Promotions

Tell = Callable[..., None]

SHORT = {"rollout_timeout": 30, "health_timeout": 5}
"""Deadlines in seconds of simulated time."""
NEVER = 86400.0
"""Seconds that a lease lasts by the clock on the wall: it only expires where the story says so."""
STORY = profile(stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)


@pytest.fixture
def installation(settings: Settings, make_service: Callable[..., Service]) -> Iterator[Installation]:
    """Return a service that is promoted to production with short deadlines, and a ledger of its own."""
    service = make_service(environments={name: {**environment(name), **SHORT} for name in ("staging", "production")})
    assert settings.ledger_password is not None
    password = settings.ledger_password.get_secret_value()
    with psycopg.connect(settings.ledger_url, password=password, row_factory=dict_row) as ledger:
        yield Installation(settings.model_copy(update={"lease_seconds": NEVER}), service, ledger)


@pytest.fixture
def tell(installation: Installation) -> Tell:
    """Return what tells stories until one breaks an invariant.

    `plant` plants a fault into the product. The same `seed` tells the same stories; None tells new ones each time.
    """

    def told(*, stories: int, seed: int | None = None, plant: Plant | None = None) -> None:
        machine: Any = type("Story", (Promotions,), {"installation": replace(installation, plant=plant)})
        settings = profile(STORY, max_examples=stories)
        if seed is not None:
            machine = with_seed(seed)(machine)
            settings = profile(settings, database=None, phases=[Phase.generate])
        run_state_machine_as_test(machine, settings=settings)

    return told
