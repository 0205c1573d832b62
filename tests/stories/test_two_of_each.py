"""Two API replicas and two workers, on PostgreSQL and Redis: killing one of each in the middle of a promotion leaves it to finish."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID

import httpx
import psutil
import pytest

from deployments import progress, runs
from deployments.sandbox import sandbox
from deployments.sandbox.sample.scenarios import Scenario
from tests.stories import server
from tests.stories.conftest import LOOK, PATIENCE, Stage
from tests.stories.faults.injection import Injection
from tests.stories.faults.play import under_way
from tests.stories.server import Installation

pytestmark = [pytest.mark.xdist_group("two of each"), pytest.mark.slow]


@pytest.fixture(scope="module")
def installation() -> Iterator[Installation]:
    """Bring the server of the compose file up around a sandbox, and in the end down; without its programs, skip or fail."""
    if missing := server.missing():
        reason = f"no {' and no '.join(missing)} on PATH (Debian's packages; .ci/engine brings them)"
        if os.environ.get("PROMOTER_REQUIRE_ENGINE") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    with TemporaryDirectory(prefix="two-of-each-") as name:
        found = Installation(Path(name))
        try:
            found.up()
            yield found
        finally:
            found.down()


@pytest.fixture
def stage(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """Return the stage of that installation; who acts on it has the environment of a worker."""
    found = sandbox.read(installation.folder)
    assert found is not None
    variables = installation.environment("worker")
    del variables["PREFECT_HOME"]
    ready = Stage.on(sandbox.Sandbox(found.folder, found.parts, variables), monkeypatch)
    server.quieten()
    return ready


def test_the_proxy_passes_the_api_the_ui_and_webhooks(installation: Installation) -> None:
    """And nothing else; the API asks who one is."""
    user, _, password = installation.secrets["PREFECT_AUTH_STRING"].partition(":")
    with httpx.Client(base_url=installation.url("outside"), timeout=60) as anybody:

        def status(method: str, path: str, **how: object) -> int:
            return anybody.request(method, path, **how).status_code  # type: ignore[arg-type]

        assert [status("GET", path) for path in ("/docs", "/openapi.json", "/metrics", "/healthz", "/github/x")] == [
            404
        ] * 5
        assert status("POST", "/dashboard") == 404
        assert status("POST", "/github") == 502  # passed on; nobody is there
        assert status("GET", "/api/health") == 200
        assert status("POST", "/api/flows/filter", json={}) == 401
        assert status("POST", "/api/flows/filter", json={}, auth=(user, password)) == 200
        page = anybody.get("/", headers={"Accept": "text/html"}, follow_redirects=True)
        assert "<title>" in page.raise_for_status().text
        assert anybody.get("/ui-settings").json()["auth"] == "BASIC"


def test_a_promotion_outlives_a_replica_and_its_worker(installation: Installation, stage: Stage) -> None:
    """Both are killed in the middle of the rollout; the flow goes on with the other replica, and the other worker takes what comes next."""
    stage.push(Scenario.NEW_MIGRATION, Scenario.SLOW_START)
    stage.repository.merge("dev", "test")
    run = runs.promote(stage.service, "test")
    until(lambda: under_way(progress.read(run), "roll_out"))

    worker_of(installation, run).kill()
    installation.process("api-1").kill()
    told = stage.wait(run)

    assert told.promotion.outcome == "released", told.cause
    assert told.promotion.driver == str(run)
    assert told.state() == "Completed"
    assert stage.world().environments["staging"].version == told.tag
    assert runs.wait(runs.start("verify-health", "verify-health", {}))["type"] == "COMPLETED"


def worker_of(installation: Installation, run: UUID) -> psutil.Process:
    """Return the worker whose child a flow run is."""
    flow = Injection(sandbox.Sandbox(installation.folder, {}, {}), run).flow
    workers = {installation.pids[name] for name in ("worker-1", "worker-2")}
    (found,) = [one for one in flow.parents() if one.pid in workers]
    return found


def until(there: Callable[[], bool]) -> None:
    """Return as soon as it is so."""
    deadline = time.monotonic() + PATIENCE
    while not there():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(LOOK)
