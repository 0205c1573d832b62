"""The most telling places of the kill matrix; `make kill-matrix` plays all of them."""

import sys

import pytest

from deployments.sandbox.sandbox import Sandbox
from promoter.shell import run

pytestmark = pytest.mark.xdist_group("sandbox")

PATIENCE = 880.0
"""Seconds for all of them on a machine that is busy with other things; it takes one minute on one that is not."""
CASES = (
    "forward, promotion killed during migrate: process migration_runner upgrade #1",
    "forward, promotion killed after roll_out: aws ecs:UpdateService #1",
    "forward, promotion killed before verify: sql ledger UPDATE promotions, UPDATE steps #1",
    "forward, promotion killed after verify: sql ledger UPDATE promotions, UPDATE steps #1",
    "forward, promotion killed during tag_release: process git push #1",
    "back, recovery killed during recover: process migration_runner downgrade #1",
)
"""An orphaned migration, a rollout that nobody follows, both sides of the commit point, a tag that nobody saw arrive, and a way back."""


@pytest.mark.timeout(PATIENCE + 20)
def test_a_killed_promotion_comes_to_a_whole_end(running: Sandbox) -> None:
    """Nothing but the ledger and the outside world is left, and recovery makes it exactly new or exactly old."""
    cases = [f"--at={case}" for case in CASES]
    api = f"--prefect={running.variables['PREFECT_API_URL']}"

    output = run([sys.executable, "-m", "tests.kill_matrix", "--lanes=1", api, *cases], timeout=PATIENCE, check=False)

    assert f"\n{len(CASES)} of {len(CASES)} converged" in output.stdout, output.stdout + output.stderr
    assert output.code == 0
