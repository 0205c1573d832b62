"""What the doctor says of a Prefect server, whose answers are Prefect's own: its settings class, its worker's template."""

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pkgutil import resolve_name
from typing import Any

import pytest
from prefect.settings import Settings as PrefectSettings

from deployments import pools
from deployments.doctor import installation
from deployments.doctor.examination import Result, examine
from tests.deployments.server.compose import environment

CREDENTIAL = "admin:secret"


class Api(BaseHTTPRequestHandler):
    """Answers what is put into it, to whoever shows the credential."""

    answers: dict[str, Any]

    def do_GET(self) -> None:
        """Answer, or refuse."""
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        known = self.headers["Authorization"] == f"Basic {base64.b64encode(CREDENTIAL.encode()).decode()}"
        body = json.dumps(self.answers[self.path]).encode()
        self.send_response(200 if known else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815 - http.server's own name

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """Return what the server of this environment answers, by path: a server of our own version that a person has just started."""
    Api.answers = {
        "/api/admin/version": version("prefect"),
        "/api/admin/settings": PrefectSettings().model_dump(mode="json"),
        "/api/work_pools/filter": [pool(pools.describe("process", {}).template)],
        "/api/work_pools/promoter/workers/filter": [worker("one"), worker("two")],
    }
    server = ThreadingHTTPServer(("127.0.0.1", 0), Api)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("PREFECT_API_URL", f"http://127.0.0.1:{server.server_port}/api")
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", CREDENTIAL)
    yield Api.answers
    server.shutdown()
    thread.join()
    server.server_close()


def pool(template: dict[str, Any]) -> dict[str, Any]:
    """Return a work pool as Prefect tells of it."""
    return {"name": "promoter", "type": "process", "is_paused": False, "base_job_template": template}


def worker(name: str) -> dict[str, str]:
    """Return a worker that is alive."""
    return {"name": name, "status": "ONLINE"}


def found(name: str) -> Result:
    """Return what comes of one check."""
    (check,) = [one for one in installation.checks([]) if one.name == name]
    (result,) = examine([check])
    return result


def settings(monkeypatch: pytest.MonkeyPatch, told: dict[str, str]) -> dict[str, Any]:
    """Return what a server answers that was told this."""
    for variable, value in told.items():
        monkeypatch.setenv(variable, value)
    return PrefectSettings().model_dump(mode="json")


@pytest.mark.usefixtures("answers")
def test_one_server_on_one_machine_is_fine() -> None:
    """What cannot be known, or needs not be shared, is passed over with the reason."""
    names = ("server", "database", "what replicas share", "work pool", "job template", "workers")

    results = [found(f"Prefect: {name}") for name in names]

    assert [one.outcome for one in results] == ["OK", "SKIP", "SKIP", "OK", "OK", "OK"]
    assert results[0].detail.startswith(f"version {version('prefect')} at ")
    assert results[-1].detail == "2 alive: one, two"


def test_the_server_of_the_compose_file_shares_everything(
    answers: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In Redis, on PostgreSQL; no password is said."""
    answers["/api/admin/settings"] = settings(monkeypatch, environment("api-1"))

    assert found("Prefect: what replicas share") == Result("Prefect: what replicas share", "OK", "in Redis")
    assert found("Prefect: database") == Result("Prefect: database", "OK", "postgresql")


def test_what_one_replica_keeps_to_itself_is_named(answers: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Events go through Redis, leases stay in memory: two replicas would let too many in."""
    told = environment("api-1")
    del told["PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE"], told["PREFECT_SERVER_DOCKET_URL"]
    answers["/api/admin/settings"] = settings(monkeypatch, told)

    result = found("Prefect: what replicas share")

    assert (result.outcome, result.detail) == ("NG", "in the memory of one process: leases, work put off")


def test_a_server_of_another_version_is_named(answers: dict[str, Any]) -> None:
    """With both versions."""
    answers["/api/admin/version"] = "3.0.0"

    result = found("Prefect: server")

    assert (result.outcome, result.detail) == ("NG", f"it is version 3.0.0, and here is {version('prefect')}")


def test_a_pool_that_prefect_made_by_itself_is_brought_in_line(answers: dict[str, Any]) -> None:
    """Its flows would end with their worker."""
    made = resolve_name(pools.WORKERS["process"]).get_default_base_job_template()
    answers["/api/work_pools/filter"] = [pool(made)]

    result = found("Prefect: job template")

    assert (result.outcome, result.detail, result.hint) == (
        "NG",
        "other than deployments/pools/process.yaml: stream_output",
        "`promoter pool process`.",
    )


def test_one_worker_is_enough_and_two_are_better(answers: dict[str, Any]) -> None:
    """It is said, and nothing is wrong."""
    answers["/api/work_pools/promoter/workers/filter"] = [worker("one"), {"name": "two", "status": "OFFLINE"}]

    assert found("Prefect: workers") == Result(
        "Prefect: workers", "OK", "1 alive: one; with a second one nothing waits when it ends"
    )


@pytest.mark.usefixtures("answers")
def test_a_wrong_credential_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not what it is."""
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", "admin:another")

    result = found("Prefect: server")

    assert result.outcome == "NG"
    assert "401" in result.detail
    assert result.hint == "Is it up, and is PREFECT_API_AUTH_STRING right?"
