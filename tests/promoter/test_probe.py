"""The probe against real HTTP servers, each with a misbehaviour of its own."""

import gzip
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any

import pytest

from promoter import addresses, probe
from promoter.config import HealthAnswer
from promoter.errors import HealthError, RolloutError
from promoter.probe import STEADY, ask, check, wait_until_healthy
from promoter.records import HealthReport

GOOD = {"status": "ok", "database": "healthy", "version": "v1.0.5"}
Reply = Callable[[BaseHTTPRequestHandler, int], None]


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask as fast as a test wants to be."""
    monkeypatch.setattr(probe, "SHORTEST", 0.01)
    monkeypatch.setattr(probe, "LONGEST", 0.04)


@contextmanager
def serving(*replies: Reply) -> Iterator[str]:
    """Serve `replies` in turn, the last one for ever, and yield the URL."""
    with refusing(*replies) as (url, begin):
        begin()
        yield url


@contextmanager
def refusing(*replies: Reply) -> Iterator[tuple[str, Callable[[], None]]]:
    """Hold a port that refuses connections, and yield its URL and what to call to serve `replies` there."""
    numbers = count()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            number = next(numbers)
            with suppress(ConnectionError, TimeoutError):
                replies[min(number, len(replies) - 1)](self, number)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler, bind_and_activate=False)
    server.server_bind()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))

    def begin() -> None:
        server.server_activate()
        thread.start()

    try:
        yield f"http://127.0.0.1:{server.server_port}/health", begin
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def answer(document: Any = None, status: int = 200, **headers: str) -> Reply:
    """Reply with a JSON document, the good one unless told, or with raw bytes."""
    body = document if isinstance(document, bytes) else json.dumps(GOOD if document is None else document).encode()

    def reply(handler: BaseHTTPRequestHandler, _: int) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return reply


def hang_up(handler: BaseHTTPRequestHandler, _: int) -> None:
    """Close the connection without a word."""
    handler.connection.shutdown(socket.SHUT_RDWR)


def cut(handler: BaseHTTPRequestHandler, _: int) -> None:
    """Promise more than comes."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{")


def drip(handler: BaseHTTPRequestHandler, _: int) -> None:
    """Send a header byte by byte, for ever."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while True:
        handler.wfile.write(b"a")
        time.sleep(0.05)


def pour(handler: BaseHTTPRequestHandler, _: int) -> None:
    """Begin an answer of 10 GB."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10737418240\r\n\r\n")
    while True:
        handler.wfile.write(b" " * 65536)


def wait(url: str, timeout: float = 30, fleet: Callable[[], str | None] = lambda: None, **options: Any) -> HealthReport:
    """Wait for v1.0.5 on main."""
    given: dict[str, Any] = {"answers": 3, "notice": lambda _: None, **options}
    return wait_until_healthy(url, "v1.0.5", "main", HealthAnswer(), timeout=timeout, fleet=fleet, **given)


def test_three_right_answers_verify_a_release() -> None:
    """A service that is well is verified by as many requests as answers are asked for."""
    with serving(answer()) as url:
        report = wait(url)

    assert (report.url, report.version, report.answers, report.tries) == (url, "v1.0.5", 3, 3)


MISBEHAVIOURS = {
    "500": answer(b"oops", 500),
    "502 page": answer(b"<html>502 Bad Gateway</html>", 502, Content_Type="text/html"),
    "404": answer(b"not found", 404),
    "HTML with 200": answer(b"<html>maintenance</html>", Content_Type="text/html"),
    "half JSON": answer(b'{"status": "ok", "version": "v1.0'),
    "no content": answer(b"", 204),
    "good body, bad status": answer(GOOD, 503),
    "hang up": hang_up,
    "cut": cut,
    "same host redirect": answer(b"", 307, Location="/elsewhere"),
    "compressed": answer(gzip.compress(json.dumps(GOOD).encode()), Content_Encoding="gzip"),
    "10 GB": pour,
    "status": answer({**GOOD, "status": "starting"}),
    "database": answer({**GOOD, "database": "unhealthy"}),
    "old version": answer({**GOOD, "version": "v1.0.4"}),
    "longer version": answer({**GOOD, "version": "v1.0.50"}),
    "empty version": answer({**GOOD, "version": ""}),
}


@pytest.mark.parametrize("misbehaviour", MISBEHAVIOURS.values(), ids=MISBEHAVIOURS.keys())
def test_a_misbehaviour_means_not_yet(misbehaviour: Reply) -> None:
    """The wait goes on, the count of right answers begins again, and the release is verified in the end."""
    with serving(answer(), misbehaviour, answer()) as url:
        report = wait(url, answers=2)

    assert (report.answers, report.tries) == (2, 4)


def test_a_service_that_is_not_there_yet_is_waited_for() -> None:
    """A refused connection means not yet."""
    notices: list[str] = []

    with refusing(answer()) as (url, begin):

        def notice(text: str) -> None:
            notices.append(text)
            if len(notices) == 1:
                begin()

        wait(url, notice=notice)

    assert notices[0].startswith("not yet: ConnectError")
    assert notices[1:] == ["healthy, version 'v1.0.5'"]


@pytest.mark.parametrize("slow", [drip], ids=["headers byte by byte"])
def test_a_drip_does_not_stretch_the_deadline(slow: Reply) -> None:
    """A server that sends a byte now and then is given up like one that is silent."""
    with serving(slow) as url, pytest.raises(HealthError, match="no whole answer within"):
        wait(url, timeout=0.5)


def test_a_redirect_to_another_host_ends_the_wait() -> None:
    """Somebody else's answer says nothing about this service."""
    with (
        serving(answer(b"", 302, Location="https://login.example/")) as url,
        pytest.raises(HealthError, match=r"redirects elsewhere: to https://login\.example/"),
    ):
        wait(url)


def test_a_failure_tells_the_last_answer_of_each_kind() -> None:
    """The error counts the kinds of answers and quotes them without control characters."""
    ugly = answer(b"<html>\x1b[31m\x00boom</html>", 500)
    wrong = answer({**GOOD, "version": "v1.0.4"})
    with serving(ugly, ugly, answer({**GOOD, "database": "down"}), wrong) as url, pytest.raises(HealthError) as caught:
        wait(url)

    lines = caught.value.message.splitlines()
    assert f"{url} does not answer as v1.0.5 after " in lines[0]
    assert lines[1:] == [
        f"    {STEADY} x version 'v1.0.4', expected v1.0.5 or v1.0.5-main",
        "    2 x status 500: <html> boom</html>",
        "    1 x database is 'down', expected ok or healthy",
    ]


def test_a_fleet_that_is_not_all_new_is_waited_for() -> None:
    """A right answer counts only while every running task is of the new definition."""
    reasons = iter(["1 of 2 tasks still run app:40", "1 of 2 tasks run"])
    notices: list[str] = []

    with serving(answer()) as url:
        report = wait(url, fleet=lambda: next(reasons, None), notice=notices.append)

    assert report.tries == 5
    assert notices == [
        "not yet: healthy, version 'v1.0.5', but 1 of 2 tasks still run app:40",
        "not yet: healthy, version 'v1.0.5', but 1 of 2 tasks run",
        "healthy, version 'v1.0.5'",
    ]


def test_a_fleet_that_cannot_be_asked_now_is_waited_for() -> None:
    """Throttling is no verdict; a refused permission is an error."""
    errors = iter([RolloutError("ThrottlingException", transient=True)])

    def fleet() -> None:
        for error in errors:
            raise error

    with serving(answer()) as url:
        assert wait(url, fleet=fleet).tries == 4

    def refused() -> None:
        raise RolloutError("AccessDeniedException")

    with serving(answer()) as url, pytest.raises(RolloutError, match="AccessDenied"):
        wait(url, fleet=refused)


def test_a_version_that_stays_wrong_ends_the_wait_early() -> None:
    """New tasks that keep saying the same wrong version will not change their mind, while old ones may still be leaving."""
    reasons = iter(["1 of 2 tasks still run app:40"] * STEADY)

    with serving(answer({**GOOD, "version": "v1.0.4"})) as url, pytest.raises(HealthError) as caught:
        wait(url, timeout=60, fleet=lambda: next(reasons, None))

    assert f"{2 * STEADY} requests" in caught.value.message


def test_a_sticky_cookie_is_not_sent_back() -> None:
    """A load balancer may not keep the probe at one task."""
    cookies: list[str | None] = []

    def reply(handler: BaseHTTPRequestHandler, number: int) -> None:
        cookies.append(handler.headers.get("Cookie"))
        answer(Set_Cookie="AWSALB=task-1; Path=/")(handler, number)

    with serving(reply) as url:
        wait(url)

    assert cookies == [None, None, None]


def test_a_url_is_checked_before_anything_changes() -> None:
    """One that redirects elsewhere or pours without end is refused; one that is down is what a release may mend."""
    with (
        serving(answer(b"", 301, Location="http://other.example/")) as url,
        pytest.raises(HealthError, match="elsewhere"),
    ):
        check(url)
    with serving(pour) as url, pytest.raises(HealthError, match="longer than 64 KB"):
        check(url)
    with serving(answer(b"oops", 500)) as url:
        check(url)


@pytest.mark.parametrize(
    "host",
    [
        pytest.param("169.254.169.254", id="metadata of a machine"),
        pytest.param("169.254.170.2", id="credentials of a task"),
        pytest.param("2852039166", id="written as one number"),
        pytest.param("[fe80::1]", id="IPv6"),
        pytest.param("[::ffff:169.254.169.254]", id="IPv4 in IPv6"),
        pytest.param("[fd00:ec2::254]", id="Amazon's metadata in IPv6"),
    ],
)
def test_a_link_local_address_is_never_asked(host: str) -> None:
    """Who can write a URL into the configuration cannot read the worker's credentials by it."""
    with pytest.raises(HealthError, match="link-local"):
        check(f"http://{host}/latest/meta-data/")


def test_a_name_that_turns_to_a_link_local_address_is_not_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look and the connection nobody can slip in another address."""
    monkeypatch.setattr(addresses, "is_link_local", lambda address: address == "127.0.0.1" and bool(asked))
    asked: list[int] = []

    def reply(handler: BaseHTTPRequestHandler, number: int) -> None:
        asked.append(number)
        answer(GOOD)(handler, number)

    with serving(reply) as url, pytest.raises(HealthError, match="link-local"):
        check(url)

    assert asked == [0]


def test_a_release_of_unknown_version_has_to_be_well() -> None:
    """On the way back to something that no promotion made, health is all that can be asked for."""
    with serving(answer({**GOOD, "database": "down"}), answer({**GOOD, "version": "whatever"})) as url:
        report = wait_until_healthy(
            url, None, "main", HealthAnswer(), timeout=30, answers=2, fleet=lambda: None, notice=lambda _: None
        )

    assert (report.version, report.tries) == ("whatever", 3)


def test_one_question_reads_what_is_there() -> None:
    """A status display asks once and takes any version."""
    with serving(answer({**GOOD, "version": "v0.9.0"})) as url:
        found = ask(url, HealthAnswer())

    assert (found.kind, found.version) == ("right", "v0.9.0")
