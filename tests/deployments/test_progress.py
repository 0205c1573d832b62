"""How far a promotion is, as a command line reads it: from the ledger, and from Prefect where the ledger knows no promotion."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from typing import Any
from uuid import uuid4

import pytest
from rich.console import Console

from deployments import display, progress, runs
from deployments.progress import Progress
from promoter.config import Service
from promoter.ledger import promotions
from promoter.ledger.connection import connect
from promoter.records import Push
from promoter.settings import Settings

RUN = uuid4()


class Api(BaseHTTPRequestHandler):
    """Answers for Prefect with the state of any flow run."""

    state: dict[str, Any]
    credential: str | None

    def do_GET(self) -> None:
        """Tell the state, and remember who asked."""
        type(self).credential = self.headers["Authorization"]
        body = json.dumps({"state": self.state}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def api(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Api]]:
    """Return the API that the environment names, beside an empty ledger."""
    assert settings.ledger_url
    server = ThreadingHTTPServer(("127.0.0.1", 0), Api)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("PREFECT_API_URL", f"http://127.0.0.1:{server.server_port}")
    yield Api
    server.shutdown()
    thread.join()
    server.server_close()


def state(kind: str, message: str | None = None) -> dict[str, Any]:
    """Return a state as Prefect tells it."""
    return {"type": kind, "name": kind.title(), "message": message}


def test_prefect_is_shown_the_credential_that_it_asks_for(api: type[Api], monkeypatch: pytest.MonkeyPatch) -> None:
    """As Prefect's own variable has it, by whoever starts or follows a run; without one nothing is shown."""
    api.state = state("RUNNING")

    runs.state(RUN)
    assert api.credential is None

    monkeypatch.setenv("PREFECT_API_AUTH_STRING", "admin:secret")
    runs.state(RUN)
    assert api.credential == "Basic YWRtaW46c2VjcmV0"


def test_a_promotion_is_read_from_the_ledger(settings: Settings, make_service: Callable[..., Service]) -> None:
    """Prefect is not asked."""
    push = Push(repository="https://git.example/api.git", branch="test", commit="a" * 40, base=None)
    with connect(settings) as ledger:
        promotion = promotions.accept(ledger, make_service(), push, flow_run=RUN)

    assert progress.read(RUN) == Progress(promotion)


def test_the_promotion_of_a_push_is_the_newest_one(settings: Settings, make_service: Callable[..., Service]) -> None:
    """Of another branch or commit there is none; a rollback to it is no promotion of it."""
    service, commit = make_service(), "a" * 40
    push = Push(repository=service.repository, branch="test", commit=commit, base=None)
    with connect(settings) as ledger:
        first = promotions.accept(ledger, service, push)
        promotions.end(ledger, first.id, "rejected", "no")
        newest = promotions.accept(ledger, service, push)
        promotions.roll_back(ledger, service, first.id)

    assert progress.of_push(service, "test", commit) == Progress(newest)
    assert progress.of_push(service, "dev", commit) == Progress(None)
    assert progress.of_push(service, "test", "b" * 40) == Progress(None)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        pytest.param(state("RUNNING"), Progress(None), id="not yet"),
        pytest.param(state("FAILED", "no commit"), Progress(None, crashed="no commit"), id="refused"),
        pytest.param(state("CANCELLED"), Progress(None, crashed="Cancelled"), id="without words"),
        pytest.param(state("COMPLETED"), Progress(None, released_before=True), id="released before"),
    ],
)
def test_a_run_without_a_promotion_is_told_by_its_state(
    api: type[Api], told: dict[str, Any], expected: Progress
) -> None:
    """Nothing to do is no error."""
    api.state = told

    found = progress.read(RUN)

    assert found == expected
    assert found.has_ended is (told["type"] != "RUNNING")


def test_what_was_released_before_is_said_to_be(api: type[Api]) -> None:
    """And what to do if it is wanted again."""
    api.state = state("COMPLETED")
    page = StringIO()

    display.watch(Console(file=page), lambda: progress.read(RUN))

    assert "released before" in page.getvalue()
    assert "--force" in page.getvalue()
