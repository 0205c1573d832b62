"""The gateway as it runs, byte by byte over a socket: what its server makes of a request before any of our lines sees it."""

import json
import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as profile
from hypothesis import strategies as st

from deployments.gateway.body import MOST
from deployments.sandbox import parts
from deployments.sandbox.sample.service import to_toml
from deployments.sandbox.webhook import Webhook
from promoter import postgres
from promoter.ledger import schema
from promoter.ledger.connection import connect
from promoter.postgres import Server
from promoter.settings import Settings
from tests.deployments.gateway.conftest import NAME, NUMBER, SECRET, A, headers, listening, push
from tests.deployments.gateway.test_bad_webhooks import PUSH, SERVICE

PATIENCE = 60.0
"""Seconds that the gateway may take for an answer."""
SIGNED = b"".join(name + b": " + value + b"\r\n" for name, value in headers(PUSH))
START = b"POST /github HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n"


@dataclass(frozen=True)
class Running:
    """A gateway in a process of its own."""

    url: str
    settings: Settings
    log: Path

    def say(self, *pieces: bytes, leave: bool = False) -> bytes:
        """Say something over a connection of its own, and return all that is said back; `leave` does not wait for it."""
        place = urlsplit(self.url)
        with socket.create_connection((place.hostname, place.port), PATIENCE) as connection:
            with suppress(OSError):  # it has heard enough
                for piece in pieces:
                    connection.sendall(piece)
                if leave:
                    connection.shutdown(socket.SHUT_WR)
            return _heard(connection)

    def noted(self) -> list[str]:
        """Return the commits in the ledger."""
        with connect(self.settings) as ledger:
            return [row["commit"] for row in ledger.execute("SELECT commit FROM arrivals").fetchall()]

    def is_whole(self) -> bool:
        """Say whether it takes pushes, and nothing that came so far was an error of its own."""
        counted = httpx.get(f"{self.url}/metrics", timeout=PATIENCE).text
        healthy = httpx.get(f"{self.url}/healthz", timeout=PATIENCE).is_success
        return healthy and 'status="5' not in counted and "Traceback" not in self.log.read_text()


def _heard(connection: socket.socket) -> bytes:
    heard = bytearray()
    with suppress(ConnectionError):
        while piece := connection.recv(65536):
            heard += piece
    return bytes(heard)


@pytest.fixture(scope="module")
def running(postgres_server: Server) -> Iterator[Running]:
    """Return one gateway for all cases."""
    ledger = postgres.create_database(postgres_server, "process")
    url = f"postgresql://{ledger.user}@{ledger.host}:{ledger.port}/{ledger.database}"
    settings = Settings(ledger_url=url, ledger_password=ledger.password)
    schema.upgrade(settings)
    with TemporaryDirectory(prefix="gateway-") as name, listening() as prefect:
        services = Path(name, "services")
        services.mkdir()
        (services / "api.toml").write_text(to_toml(SERVICE))
        variables = {
            "PREFECT_API_URL": prefect.url,
            "PROMOTER_LEDGER_PASSWORD": ledger.password.get_secret_value(),
            "PROMOTER_LEDGER_URL": url,
            "PROMOTER_SERVICES": str(services),
        }
        hook = Webhook(f"http://127.0.0.1:{parts.free_port()}/github", SECRET.decode(), NAME, NUMBER)
        try:
            part = parts.start_gateway(Path(name), variables, hook)
            yield Running(part.url, settings, Path(name, "logs", "gateway.log"))
        finally:
            parts.end_all(Path(name))


def sized(length: bytes) -> bytes:
    """Return a signed push that says how long it is."""
    return START + SIGNED + b"Content-Length: " + length + b"\r\n\r\n" + PUSH


CASES = {
    "two lengths": START + SIGNED + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n" + PUSH,
    "a length and chunks": START + SIGNED + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a negative length": sized(b"-1"),
    "a length with a sign": sized(b"+5"),
    "a length of 5,000 digits": sized(b"9" * 5000),
    "a length in other digits": sized("٣".encode()),
    "30 MB that are announced": sized(b"30000000"),
    "chunks that are none": START + SIGNED + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n" + PUSH,
    "an encoding that is none": START + SIGNED + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "NUL in a header": START + b"X-GitHub-Event: pu\0sh\r\n" + SIGNED + b"\r\n",
    "a header that is folded": START + b"X-Folded: a\r\n b\r\n\tc\r\n\r\n",
    "a signature that is no ASCII": START + b"X-Hub-Signature-256: sha256=\xff\xfe\r\nContent-Length: 0\r\n\r\n",
    "another method": b"PUT /github HTTP/1.1\r\nHost: gateway\r\n" + SIGNED + b"Content-Length: 0\r\n\r\n",
    "another path": b"POST /github/../metrics HTTP/1.1\r\nHost: gateway\r\nContent-Length: 0\r\n\r\n",
    "a path that is no ASCII": b"POST /\xff\xfe HTTP/1.1\r\nHost: gateway\r\nContent-Length: 0\r\n\r\n",
    "an old version": b"POST /github HTTP/0.9\r\n\r\n",
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
}
LEFT = {
    "a body that ends too early": sized(b"%d" % (len(PUSH) + 1)),
    "a body that is cut off": sized(b"%d" % len(PUSH))[:-1],
    "a header of a megabyte": START + b"X-Long: " + b"x" * 1_000_000 + b"\r\n\r\n",
    "half a head": START,
    "nothing": b"",
}


@pytest.mark.parametrize("said", [pytest.param(said, id=name) for name, said in CASES.items()])
def test_what_is_no_request_has_no_effect(running: Running, said: bytes) -> None:
    """It is refused."""
    answer = running.say(said)

    assert answer.split(b" ")[1][:1] == b"4", answer
    assert running.noted() == []
    assert running.is_whole()


@pytest.mark.parametrize("said", [pytest.param(said, id=name) for name, said in LEFT.items()])
def test_who_leaves_too_early_leaves_nothing_behind(running: Running, said: bytes) -> None:
    """There may be nobody to answer."""
    running.say(said, leave=True)

    assert running.noted() == []
    assert running.is_whole()


def test_30_mb_without_a_length_are_refused_before_they_came(running: Running) -> None:
    """It stops to listen after 2 MB."""
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    head = START + SIGNED + b"Transfer-Encoding: chunked\r\n\r\n"

    answer = running.say(head, *[chunk] * (30_000_000 // 0x10000), b"0\r\n\r\n")

    assert not answer or b" 413 " in answer.splitlines()[0]
    assert f"more than {MOST} bytes" in (answer.decode() or f"more than {MOST} bytes")
    assert running.noted() == []
    assert running.is_whole()


@profile(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    head=st.sampled_from([b"", b"POST /github HTTP/1.1\r\n", START, START + SIGNED]),
    noise=st.binary(max_size=300),
    body=st.sampled_from([b"", b"\r\n\r\n", b"\r\n\r\n" + PUSH]),
)
def test_random_bytes_have_no_effect(running: Running, head: bytes, noise: bytes, body: bytes) -> None:
    """Wherever in a request they are; none gives an error of ours."""
    answer = running.say(head + noise + body, leave=True)

    assert not answer or answer.split(b" ")[1][:1] == b"4"
    assert running.noted() == []


def test_after_all_that_it_takes_a_push(running: Running) -> None:
    """One that was sent twice is one."""
    answers = [running.say(sized(b"%d" % len(PUSH))) for _ in range(2)]

    assert [answer.split(b" ")[1] for answer in answers] == [b"202"] * 2
    assert running.noted() == [A]
    assert running.is_whole()
    assert json.loads(PUSH) == push()
