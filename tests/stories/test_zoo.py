"""Animals of the zoo of migrations, each with a release that crashes; `make kill-matrix ARGS=--zoo` plays all of them."""

import sys

import pytest

from deployments.sandbox.sandbox import Sandbox
from promoter.shell import run

pytestmark = [pytest.mark.xdist_group("sandbox"), pytest.mark.slow]

PATIENCE = 1480.0
"""Seconds for all of them on a machine that is busy with other things."""
ANIMALS = 7
"""Evenly spread: one that cannot be applied, one that comes back, and some that stay, each for another reason."""


@pytest.mark.timeout(PATIENCE + 20)
def test_an_animal_is_dealt_with_as_it_deserves(running: Sandbox) -> None:
    """Rejected where it cannot be applied, taken back where that is proved, else kept under the old release; always whole."""
    api = f"--prefect={running.variables['PREFECT_API_URL']}"
    argv = [sys.executable, "-m", "tests.kill_matrix", "--zoo", f"--sample={ANIMALS}", "--lanes=1", api]

    output = run(argv, timeout=PATIENCE, check=False)

    assert f"\n{ANIMALS} of {ANIMALS} converged" in output.stdout, output.stdout + output.stderr
    assert all(outcome in output.stdout for outcome in ("rejected", "rolled_back", "schema_kept"))
    assert output.code == 0
