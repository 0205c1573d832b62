"""Each kind of migration gets the verdict that it deserves, on a real PostgreSQL, with rows in the tables."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from promoter.records import Rehearsal
from tests.promoter.schema.conftest import SYNC
from tests.promoter.schema.zoo import LONG, ZOO, Animal


@pytest.mark.parametrize("animal", ZOO, ids=lambda animal: animal.kind)
def test_each_kind_of_migration_gets_its_verdict(
    animal: Animal, project: Any, pending: Callable[[], Rehearsal]
) -> None:
    """Verdict and reason of the path, and the verdict of every revision."""
    project.environment(SYNC, per_migration=animal.per_migration)
    for one in animal.migrations:
        project.revision(one.name, one.after, one.up, one.down)

    found = pending()

    assert found.verdict == animal.verdict, found.detail
    assert re.search(animal.detail, found.detail), found.detail
    assert found.after == animal.after
    assert {step.revision: step.verdict for step in found.revisions} == animal.each


def test_the_long_id_is_as_long_as_it_can_be() -> None:
    """`alembic_version` holds 32 characters, and none of them has to be a digit."""
    assert len(LONG) == 32
    assert not set(LONG) <= set("0123456789abcdef")
