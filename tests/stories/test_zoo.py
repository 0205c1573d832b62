"""The whole zoo of migrations, each animal with a release that crashes: what comes back is proved, and the rest is said."""

import sys

import pytest

from deployments.sandbox.sandbox import Sandbox
from promoter.shell import run
from tests.promoter.schema.zoo import ZOO

pytestmark = [pytest.mark.xdist_group("sandbox"), pytest.mark.slow]

PATIENCE = 1780.0
"""Seconds for all of them on a machine that is busy with other things."""


@pytest.mark.timeout(PATIENCE + 20)
def test_every_animal_is_dealt_with_as_it_deserves(running: Sandbox) -> None:
    """Rejected where it cannot be applied, taken back where that is proved, else kept under the old release; always whole."""
    api = f"--prefect={running.variables['PREFECT_API_URL']}"

    output = run([sys.executable, "-m", "tests.kill_matrix", "--zoo", "--lanes=1", api], timeout=PATIENCE, check=False)

    assert f"\n{len(ZOO)} of {len(ZOO)} converged" in output.stdout, output.stdout + output.stderr
    assert output.code == 0
