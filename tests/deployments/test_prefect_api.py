"""A Prefect server that asks who we are, and what is told where it refuses."""

import json
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from deployments import prefect_api, runs
from promoter.errors import ConfigurationError, PromoterError

RUN = "0193b7ae-0000-7000-8000-000000000000"
KNOWN = "Basic " + b64encode(b"ann:s3cret").decode()


class Server(BaseHTTPRequestHandler):
    """Knows one deployment and one user, and takes one service."""

    def do_GET(self) -> None:
        """Find the deployment."""
        self._answer(200 if self.path == "/api/deployments/name/recover/recover" else 404, {"id": RUN})

    def do_POST(self) -> None:
        """Start a run."""
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._answer(201 if asked["parameters"] == {"service": "api"} else 409, {"id": RUN, "detail": "service"})

    def _answer(self, code: int, body: dict[str, str]) -> None:
        self.send_response(code if self.headers["Authorization"] == KNOWN else 401)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def serving() -> Iterator[str]:
    """Yield the address of its API."""
    with HTTPServer(("127.0.0.1", 0), Server) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/api/"
        server.shutdown()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let Prefect's settings name the server and its user."""
    with serving() as url:
        monkeypatch.setenv("PREFECT_API_URL", url)
        monkeypatch.setenv("PREFECT_API_AUTH_STRING", "ann:s3cret")
        yield


@pytest.mark.usefixtures("server")
def test_a_run_is_started_as_the_user_that_is_set() -> None:
    """The server knows no other."""
    assert str(runs.start("recover", "recover", {"service": "api"})) == RUN


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize(
    ("deployment", "parameters", "told"),
    [
        ("recover", {"service": "a b"}, "Mend the parameter that it names."),
        ("unknown", {}, "`prefect deploy --all` brings its deployments in line with prefect.yaml."),
    ],
)
def test_a_refusal_says_what_to_do(deployment: str, parameters: dict[str, str], told: str) -> None:
    """By what the server answered."""
    with pytest.raises(PromoterError) as caught:
        runs.start(deployment, deployment, parameters)

    assert caught.value.hint == told


@pytest.mark.usefixtures("server")
def test_a_user_whom_the_server_does_not_know_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Naming the setting, never its value."""
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", "ann:guessed")

    with pytest.raises(PromoterError) as caught:
        runs.start("recover", "recover", {"service": "api"})

    assert caught.value.hint == "Set PREFECT_API_AUTH_STRING to the server's `user:password`."
    assert "guessed" not in str(caught.value)


def test_without_an_address_nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The setting is named."""
    monkeypatch.delenv("PREFECT_API_URL", raising=False)

    with pytest.raises(ConfigurationError, match="PREFECT_API_URL is not set"):
        prefect_api.client()
