"""How a flow run ends in Prefect, by the outcome of its promotion and by the state in which it was left."""

from collections.abc import Callable

import pytest
from prefect.client.schemas.objects import State, StateType

from promoter.config import Service
from promoter.ledger import promotions
from promoter.ledger.connection import connect
from promoter.ledger.promotions import Outcome, Promotion
from promoter.records import Push
from promoter.settings import Settings
from tasks.report import final_state


def ended(settings: Settings, service: Service, outcome: Outcome) -> Promotion:
    """Return a promotion that ended so, because it was cut off."""
    push = Push(repository="https://git.example/api.git", branch="dev", commit="a" * 40, base=None)
    with connect(settings) as ledger:
        promotion = promotions.accept(ledger, service, push)
        promotions.end(ledger, promotion.id, outcome, "it was cut off")
        return promotions.get(ledger, promotion.id)


@pytest.mark.parametrize(
    ("before", "outcome", "after"),
    [
        pytest.param("RUNNING", "rolled_back", ("CRASHED", "RolledBack"), id="its process is dead"),
        pytest.param("PENDING", "rejected", ("CRASHED", "Rejected"), id="it died before it ran"),
        pytest.param("CANCELLING", "schema_kept", ("CANCELLED", "SchemaKept"), id="it died while it was cancelled"),
        pytest.param("CANCELLED", "rolled_back", ("CANCELLED", "RolledBack"), id="it was cancelled"),
        pytest.param("FAILED", "frozen", ("FAILED", "Frozen"), id="it failed"),
        pytest.param("RUNNING", "released", ("COMPLETED", "Released"), id="another finished it"),
    ],
)
def test_a_flow_run_ends_as_its_promotion_did(
    settings: Settings,
    make_service: Callable[..., Service],
    before: str,
    outcome: Outcome,
    after: tuple[str, str],
) -> None:
    """Its name is the outcome, its message the cause."""
    promotion = ended(settings, make_service(), outcome)

    state = final_state(promotion, State(type=StateType(before)))

    assert (state.type.value, state.name, state.message) == (*after, "it was cut off")
