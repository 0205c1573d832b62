"""Coverage uploads, against a server on loopback that answers as Codecov does, or does not."""

import json
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from promoter import codecov
from promoter.config import Codecov
from promoter.shell import Output

TOKEN = "0a1b2c3d-secret-token"
COMMIT = "a" * 40


class Server(ThreadingHTTPServer):
    """Answers the upload requests with `answers`, one after the other, and the last one for ever."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.answers: list[tuple[int, str]] = []
        self.asked: list[tuple[str, str | None]] = []
        self.stored: list[bytes] = []
        self.store_status = 200
        self.ended = threading.Event()

    def success(self) -> tuple[int, str]:
        """Return what Codecov answers when it takes an upload."""
        page = "https://codecov.example/gh/owner/name/commit/aaa"
        return 201, json.dumps({"url": page, "raw_upload_location": f"{self.url}/storage"})


class Handler(BaseHTTPRequestHandler):
    """One request to the `Server`."""

    server: Server

    def do_POST(self) -> None:
        """Take the description of an upload; the status 0 is no answer at all."""
        self._body()
        self.server.asked.append((self.path, self.headers.get("Authorization")))
        answers = self.server.answers
        status, text = answers.pop(0) if len(answers) > 1 else answers[0]
        if status == 0:
            self.server.ended.wait(60)
            return
        self._answer(status, text)

    def do_PUT(self) -> None:
        """Take the upload itself."""
        self.server.stored.append(self._body())
        self._answer(self.server.store_status, "stored")

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers["Content-Length"]))

    def _answer(self, status: int, text: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())


@pytest.fixture
def server() -> Iterator[Server]:
    """Run a server for one test."""
    with Server() as started:
        thread = threading.Thread(target=started.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield started
        started.ended.set()
        started.shutdown()
        thread.join()


@pytest.fixture
def send(server: Server, tmp_path: Path) -> Callable[..., codecov.Upload]:
    """Return what uploads a small report to the server."""
    report = tmp_path / "coverage.xml"
    report.write_text('<coverage line-rate="1"/>')
    rule = Codecov(url=server.url, slug="owner/name")

    def upload(tries: int, timeout: float = 60) -> codecov.Upload:
        return codecov.upload(
            rule, report, commit=COMMIT, branch="test", token=TOKEN, tries=tries, timeout=timeout, pause=0
        )

    return upload


def test_an_upload_is_confirmed_when_codecov_took_it(server: Server, send: Callable[..., codecov.Upload]) -> None:
    """A first "too many requests" is tried again; the token goes in a header, the report to the storage."""
    server.answers = [(429, "Too Many Requests"), server.success()]

    assert send(tries=2) == ("confirmed", None)

    assert server.asked == [("/upload/github/owner::::name/upload-coverage", f"token {TOKEN}")] * 2
    assert b"coverage.xml" in server.stored[0]


@pytest.mark.parametrize(
    ("answer", "store_status", "reason"),
    [
        pytest.param((500, "down"), 200, "too many retries", id="server error"),
        pytest.param((401, f"wrong token {TOKEN}"), 200, r"wrong token \*\*\*", id="refused token"),
        pytest.param((200, "<html>Log in</html>"), 200, "JSONDecodeError", id="a page"),
        pytest.param(None, 403, "stored", id="storage refuses"),
    ],
)
def test_an_upload_that_fails_is_not_confirmed(
    server: Server,
    send: Callable[..., codecov.Upload],
    answer: tuple[int, str] | None,
    store_status: int,
    reason: str,
) -> None:
    """Nothing is raised; the reason is said, without the token."""
    server.answers = [answer or server.success()]
    server.store_status = store_status

    verdict, detail = send(tries=1)

    assert verdict == "not confirmed"
    assert detail is not None
    assert TOKEN not in detail
    assert re.search(reason, detail)


def test_a_server_that_hangs_is_left(server: Server, send: Callable[..., codecov.Upload]) -> None:
    """A try has a limit."""
    server.answers = [(0, "")]

    assert send(tries=1, timeout=6) == ("not confirmed", "no answer: was ended after 6 s")
    assert server.asked != []


@pytest.mark.parametrize("token", [None, ""])
def test_without_a_token_nothing_is_sent(tmp_path: Path, token: str | None) -> None:
    """It is off, and why is said."""
    verdict = codecov.upload(Codecov(), tmp_path / "coverage.xml", commit=COMMIT, branch="test", token=token)

    assert verdict == ("off", "CODECOV_TOKEN is not set")


def test_the_command_names_everything_but_the_token(tmp_path: Path) -> None:
    """Version, file and server; a branch name is one argument, whatever is in it."""
    rule = Codecov(url="https://codecov.example", slug="owner/name")

    argv = codecov.upload_argv(rule, tmp_path / "coverage.xml", commit=COMMIT, branch="feat/$(id); rm")

    assert argv[3:] == [
        "--disable-telem",
        "--enterprise-url=https://codecov.example",
        "upload-coverage",
        "--fail-on-error",
        "--disable-search",
        "--git-service=github",
        f"--file={tmp_path}/coverage.xml",
        f"--sha={COMMIT}",
        "--branch=feat/$(id); rm",
        "--slug=owner/name",
    ]


@pytest.mark.parametrize(
    ("code", "text"),
    [
        pytest.param(0, "", id="silence"),
        pytest.param(0, "Upload queued for processing complete", id="no page"),
        pytest.param(1, "results will be available at: x\nUpload queued for processing complete", id="exit code"),
    ],
)
def test_half_a_confirmation_is_none(code: int, text: str) -> None:
    """Exit code, page and storage have to agree."""
    assert codecov.unconfirmed(Output(("codecovcli",), code, "", text, 0.1)) is not None
