"""Bad webhooks: every one has its answer, and none an effect."""

import gzip
import json
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as profile
from hypothesis import strategies as st

from deployments.gateway.app import REFUSED, build
from deployments.gateway.body import MOST
from deployments.gateway.signature import sign
from promoter import postgres
from promoter.config import Service
from promoter.ledger import schema
from promoter.postgres import Server
from promoter.settings import Settings
from tests.deployments.gateway.conftest import (
    NAME,
    NUMBER,
    SECRET,
    A,
    Body,
    Gateway,
    Headers,
    Prefect,
    headers,
    listening,
    push,
    rotating,
)

PUSH = json.dumps(push()).encode()
SHA1 = "sha1=" + "0" * 40


@dataclass(frozen=True)
class Case:
    """One bad webhook and its answer."""

    status: int
    make: Callable[[], tuple[Body, Headers]]


def unsigned(body: bytes = PUSH, signed: bytes | None = None, **others: Any) -> Case:
    """Return a webhook whose signature is not the one of its body."""
    return Case(401, lambda: (body, headers(signed or body, **others)))


def signed(status: int, body: bytes, **others: Any) -> Case:
    """Return a webhook with a right signature and a bad body."""
    return Case(status, lambda: (body, headers(body, **others)))


def ignored(**changes: Any) -> Case:
    """Return a push that starts nothing."""
    return signed(202, json.dumps(push(**changes)).encode())


def malformed(**changes: Any) -> Case:
    """Return a push with a wrong value."""
    return signed(400, json.dumps(push(**changes)).encode())


def raw(status: int, body: bytes, *extra: tuple[bytes, bytes]) -> Case:
    """Return a signed webhook with more headers, as they are."""
    return Case(status, lambda: (body, [*headers(body), *extra]))


async def endless() -> AsyncIterator[bytes]:
    """Yield more than may come, without saying how much."""
    for _ in range(MOST // 65536 + 1):
        yield b" " * 65536


SERVICE = Service.model_validate(
    {
        "name": "api",
        "repository": "https://git.example/api.git",
        "github": {"repository": NAME, "repository_id": NUMBER},
        "dependencies": {"tool": "poetry"},
        "checks": {"test": ["pytest"]},
        "image": {"repository": "registry.example/api"},
        "branches": [{"pattern": "test", "stages": ["version", "test"]}],
    }
)
PRETTY = json.dumps(push(), indent=1).encode()
DEEP = b"[" * 100_000 + b"]" * 100_000
TWICE = PUSH[:-1] + b', "after": "' + b"b" * 40 + b'"}'
BOMB = gzip.compress(b" " * 30_000_000)

CASES = {
    "no signature": unsigned(x_hub_signature_256=""),
    "an empty signature": unsigned(x_hub_signature_256="sha256="),
    "sha1 in the right header": unsigned(x_hub_signature_256=SHA1),
    "sha1 only": unsigned(x_hub_signature_256="", x_hub_signature=SHA1),
    "the right value in the old header": unsigned(x_hub_signature_256="", x_hub_signature=sign(PUSH, SECRET).decode()),
    "a signature in capitals": unsigned(x_hub_signature_256=sign(PUSH, SECRET).decode().upper()),
    "a signature with a blank": unsigned(x_hub_signature_256=sign(PUSH, SECRET).decode() + "\t0"),
    "a signature that is no ASCII": unsigned(x_hub_signature_256="sha256=ñé"),
    "two signatures, both right": raw(401, PUSH, (b"x-hub-signature-256", sign(PUSH, SECRET))),
    "two signatures, one right": raw(401, PUSH, (b"X-Hub-Signature-256", b"sha256=" + b"0" * 64)),
    "the wrong secret": unsigned(secret=b"wrong"),
    "the empty secret": Case(401, lambda: (PUSH, headers(PUSH, secret=b""))),
    "a body that was encoded anew": unsigned(PRETTY, signed=PUSH),
    "a body that was changed": unsigned(PUSH.replace(b"aaaa", b"cccc", 1), signed=PUSH),
    "no JSON, unsigned": unsigned(b"\xff", signed=PUSH),
    "30 MB": Case(413, lambda: (b" " * 30_000_000, headers(PUSH))),
    "chunked without a length": Case(413, lambda: (endless(), headers(PUSH))),
    "a length that is too large": Case(413, lambda: (PUSH, [*headers(PUSH), (b"content-length", b"30000000")])),
    "a gzip bomb": signed(415, BOMB, content_encoding="gzip"),
    "form-encoded": signed(415, b"payload=%7B%7D", content_type="application/x-www-form-urlencoded"),
    "no content type": signed(415, PUSH, content_type=""),
    "an empty body": signed(400, b""),
    "a list": signed(400, b"[]"),
    "depth 100,000": signed(400, DEEP),
    "depth 33": signed(400, PUSH[:-1] + b', "deep": ' + b"[" * 33 + b"]" * 33 + b"}"),
    "NaN": signed(400, PUSH[:-1] + b', "size": NaN}'),
    "Infinity": signed(400, PUSH[:-1] + b', "size": -Infinity}'),
    "a number of 5,000 digits": signed(400, PUSH[:-1] + b', "size": ' + b"9" * 5000 + b"}"),
    "a name that stands twice": signed(400, TWICE),
    "a name that stands twice inside": signed(400, PUSH[:-1] + b', "x": [{"a": 1, "a": 2}]}'),
    "invalid UTF-8": signed(400, PUSH.replace(b"ann", b"a\xff\xfen")),
    "UTF-16": signed(400, json.dumps(push()).encode("utf-16")),
    "something behind the JSON": signed(400, PUSH + b"{}"),
    "no ref": malformed(ref=None),
    "a ref that is a list": malformed(ref=["refs/heads/test"]),
    "a number as commit": malformed(after=int("1" * 40)),
    "a short sha": malformed(after="a" * 7),
    "a long sha": malformed(after="a" * 64),
    "a sha in capitals": malformed(after="A" * 40),
    "a sha and a line break": malformed(after=A + "\n"),
    "a sha that looks like an option": malformed(after="--upload-pack=touch /tmp/x"),
    "a number as text": malformed(repository={"id": "4711", "full_name": "Owner/api"}),
    "true as number": malformed(repository={"id": True, "full_name": "Owner/api"}),
    "the zero sha": ignored(after="0" * 40),
    "a deleted branch": ignored(after="0" * 40, deleted=True),
    "a tag": ignored(ref="refs/tags/v1.0.0"),
    "a tag called like a branch": ignored(ref="refs/tags/test"),
    "no prefix": ignored(ref="test"),
    "a branch that is not promoted": ignored(ref="refs/heads/feat/x"),
    "a way out of a branch": ignored(ref="refs/heads/main/../test"),
    "NUL in a branch": ignored(ref="refs/heads/test\0"),
    "a line break in a branch": ignored(ref="refs/heads/test\n"),
    "a Cyrillic look-alike": ignored(ref="refs/heads/t\u0435st"),
    "a lone surrogate": ignored(ref="refs/heads/\ud800"),
    "capitals": ignored(ref="refs/heads/TEST"),
    "a branch that looks like an option": ignored(ref="refs/heads/--upload-pack=x"),
    "a template in a branch": ignored(ref="refs/heads/{{ 7 * 7 }}"),
    "shell text in a branch": ignored(ref="refs/heads/$(touch${IFS}x)"),
    "a foreign repository with the right name": ignored(repository={"id": 1, "full_name": "Owner/api"}),
    "a fork": ignored(repository={"id": 4712, "full_name": "Fork/api", "fork": True}),
    "the right number with another name": ignored(repository={"id": 4711, "full_name": "Other/api"}),
    "another event": signed(202, PUSH, event="repository_dispatch"),
    "no event": signed(202, PUSH, event=""),
    "two events": raw(202, PUSH, (b"x-github-event", b"push")),
}


@pytest.fixture(scope="module")
def prefect() -> Iterator[Prefect]:
    """Return what hears the events."""
    with listening() as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("PREFECT_API_URL", server.url)
        yield server


@pytest.fixture(scope="module")
def gateway(postgres_server: Server, prefect: Prefect) -> Gateway:
    """Return one gateway for all cases: what none of them may change needs no renewing."""
    assert prefect.events == []
    ledger = postgres.create_database(postgres_server, "bad_webhooks")
    url = f"postgresql://{ledger.user}@{ledger.host}:{ledger.port}/{ledger.database}"
    settings = rotating(Settings(ledger_url=url, ledger_password=ledger.password))
    schema.upgrade(settings)
    return Gateway(build(settings, [SERVICE]), settings)


@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in CASES.items()])
def test_a_bad_webhook_has_no_effect(case: Case, gateway: Gateway, prefect: Prefect) -> None:
    """It is answered as it deserves; nothing is noted and nothing told."""
    answer = gateway.send(*case.make())

    assert answer.status_code == case.status, answer.text
    assert (gateway.noted(), prefect.events) == ([], [])
    if case.status == 401:
        assert answer.json() == {"error": REFUSED}


TOKENS = st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=40).map(str.strip)
NAMES = st.sampled_from(
    [
        b"x-hub-signature-256",
        b"x-github-event",
        b"x-github-delivery",
        b"content-type",
        b"content-encoding",
        b"transfer-encoding",
    ]
)
HEADERS = st.lists(st.tuples(NAMES, TOKENS.map(lambda text: text.encode("latin-1"))), max_size=6)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
REFS = st.text(max_size=20).map("refs/heads/{}".format) | st.text()
FIELDS = {"ref": REFS | JSON, "after": st.text(max_size=41) | JSON, "repository": JSON, "deleted": JSON, "sender": JSON}


@profile(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(body=st.binary(max_size=2000) | st.just(PUSH), extra=HEADERS)
def test_random_bytes_have_no_effect(gateway: Gateway, prefect: Prefect, body: bytes, extra: Headers) -> None:
    """Whatever it is: one answer, and nothing else."""
    answer = gateway.send(body, extra)

    assert (answer.status_code, answer.json()) == (401, {"error": REFUSED})
    assert (gateway.noted(), prefect.events) == ([], [])


@profile(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(body=st.binary(max_size=2000) | JSON.map(lambda value: json.dumps(value).encode()), extra=HEADERS)
def test_random_bytes_that_are_signed_have_no_effect(
    gateway: Gateway, prefect: Prefect, body: bytes, extra: Headers
) -> None:
    """A signature says who sent it, not that it makes sense."""
    others = [(name, value) for name, value in extra if name != b"x-hub-signature-256"]

    answer = gateway.send(body, [*headers(body), *others])

    assert answer.status_code in {202, 400, 415}
    assert (gateway.noted(), prefect.events) == ([], [])


@profile(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(changes=st.fixed_dictionaries({}, optional=FIELDS), extra=HEADERS)
def test_random_fields_that_are_signed_never_end_in_an_error_of_ours(
    gateway: Gateway, prefect: Prefect, changes: dict[str, Any], extra: Headers
) -> None:
    """And nothing but the one true push is ever noted."""
    body = json.dumps(push(**changes)).encode()
    others = [(name, value) for name, value in extra if name != b"x-hub-signature-256"]

    answer = gateway.send(body, [*headers(body), *others])

    assert answer.status_code in {202, 400, 415}
    assert set(gateway.noted()) <= {("api", "test", A)}
    assert len({event["id"] for event in prefect.events}) <= 1  # after a minute it is told again, and is the same one
