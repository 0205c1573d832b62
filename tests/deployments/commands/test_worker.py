"""A worker that cannot work says why before it begins."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from deployments import cli
from deployments.commands import worker
from promoter.errors import ConfigurationError


@pytest.fixture
def prefect(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Serve one answer of Prefect's API: a pool of ECS, and no other."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """Answer as the server does: 200 with the pool, 404 where there is none."""
            found = self.path == "/api/work_pools/there"
            self.send_response(200 if found else 404)
            self.end_headers()
            self.wfile.write(json.dumps({"type": "ecs"} if found else {"detail": "not found"}).encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv("PREFECT_API_URL", f"http://127.0.0.1:{server.server_port}/api")
        yield
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("words", "said"),
    [(["--ready", "-1"], "--ready -1: fewer than none"), (["--limit", "0"], "--limit 0: no run could ever begin")],
)
def test_a_number_that_makes_no_sense_is_refused(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """With what to write in its place."""
    assert cli.main(["worker", *words]) == ConfigurationError.exit_code
    assert said in capsys.readouterr().err


def test_a_server_that_is_not_named_or_does_not_answer_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No server is started in its place."""
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    assert cli.main(["worker"]) == ConfigurationError.exit_code
    assert "PREFECT_API_URL is not set" in capsys.readouterr().err

    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    assert cli.main(["worker"]) == 1
    assert "Is it up" in capsys.readouterr().err


@pytest.mark.usefixtures("prefect")
def test_the_pool_says_whose_work_it_is() -> None:
    """One that is not there is named with the command that makes it."""
    assert worker.kind("there") == "ecs"
    with pytest.raises(ConfigurationError, match="there is no work pool 'gone'"):
        worker.kind("gone")
