"""What Prefect's form asks for."""

from collections.abc import Callable
from typing import Any

import pytest
from prefect.utilities.callables import parameter_schema

from flows.check_change import check_change
from flows.promote import promote_cicd, promote_dev, promote_main, promote_test
from flows.rollback import rollback


@pytest.mark.parametrize(
    "flow",
    [promote_dev, promote_cicd, promote_test, promote_main, rollback, check_change],
    ids=lambda flow: str(flow.name),
)
def test_every_parameter_is_explained(flow: Callable[..., Any]) -> None:
    """In a sentence, beside its field; only the service and what is named has to be filled in."""
    schema = parameter_schema(flow)

    assert all(asked.get("description", "").endswith(".") for asked in schema.properties.values())
    assert "service" in schema.required
    assert {"by", "commit", "force", "to", "with_downgrade", "target"}.isdisjoint(schema.required)
