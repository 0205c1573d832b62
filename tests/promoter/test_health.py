"""One health answer is judged by its status, its database and its exact version."""

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from promoter.config import HealthAnswer
from promoter.errors import HealthError
from promoter.health import Kind, accepted_versions, judge

MORPHEUS = {
    "status": "ok",
    "timestamp": "2025-09-12T13:45:23.627555",
    "version": "v1.0.5-main",
    "database": "healthy",
    "container": {"id": "9f2a5cd8-91fa-458f-9715-e060367c5ff6", "python_version": "3.11.13"},
    "uptime": {"seconds": 161885},
}
ACCEPTED = accepted_versions("v1.0.5", "main")
NUMBERS = st.integers(0, 30)
TAGS = st.builds("v{}.{}.{}".format, NUMBERS, NUMBERS, NUMBERS)
SUFFIXES = st.sampled_from(["", "-test", "-main", "-dev", "-rc"])


def kind(document: Any, fields: HealthAnswer | None = None) -> Kind:
    """Return what kind of answer the document is for v1.0.5 on main."""
    return judge(json.dumps(document).encode(), fields or HealthAnswer(), ACCEPTED).kind


@pytest.mark.parametrize(
    ("tag", "branch", "versions"),
    [
        pytest.param("v1.0.5", "main", {"v1.0.5", "v1.0.5-main"}, id="main"),
        pytest.param("v1.0.3-test", "test", {"v1.0.3-test"}, id="test"),
        pytest.param("v1.0.5", "release/main", {"v1.0.5", "v1.0.5-main"}, id="a branch with a slash"),
        pytest.param("v1.0.5", "", {"v1.0.5"}, id="no branch"),
    ],
)
def test_the_versions_that_a_release_may_answer(tag: str, branch: str, versions: set[str]) -> None:
    """The tag itself, and for a clean one the tag with the branch as suffix."""
    assert accepted_versions(tag, branch) == versions


def test_an_empty_tag_is_refused() -> None:
    """It would match every broken answer."""
    with pytest.raises(HealthError):
        accepted_versions("", "main")


@pytest.mark.parametrize("version", ["v1.0.5", "v1.0.5-main"])
def test_the_right_version_is_right(version: str) -> None:
    """With the branch as suffix or without."""
    assert kind({**MORPHEUS, "version": version}) == "right"


@pytest.mark.parametrize(
    "version",
    [
        "",
        "v1",
        "v1.0",
        "v1.0.50",
        "v1.0.5-test",
        "v1.0.5-mainline",
        "V1.0.5",
        "1.0.5",
        " v1.0.5",
        "v1.0.5\n",
        None,
        1.0,
        [],
    ],
)
def test_no_other_version_is_right(version: object) -> None:
    """No prefix, no empty text, no other case, no other type."""
    assert kind({**MORPHEUS, "version": version}) == "version"


@example("v1.0.5", "v1.0.50", "")
@settings(deadline=None)
@given(TAGS, TAGS, SUFFIXES)
def test_only_the_same_version_matches(tag: str, answered: str, suffix: str) -> None:
    """On main a release is matched by its tag, alone or with `-main`, and by nothing else."""
    accepted = accepted_versions(tag, "main")
    body = json.dumps({**MORPHEUS, "version": answered + suffix}).encode()

    right = judge(body, HealthAnswer(), accepted).kind == "right"

    assert right == (answered == tag and suffix in {"", "-main"})


@settings(deadline=None)
@given(st.text(max_size=20))
def test_any_text_but_the_tag_is_wrong_on_test(answered: str) -> None:
    """On test the version is one text."""
    body = json.dumps({**MORPHEUS, "version": answered}).encode()

    right = judge(body, HealthAnswer(), accepted_versions("v1.0.3-test", "test")).kind == "right"

    assert right == (answered == "v1.0.3-test")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({"status": "degraded"}, "status", id="status"),
        pytest.param({"status": None}, "status", id="no status"),
        pytest.param({"status": "OK"}, "status", id="case of the status"),
        pytest.param({"database": "unhealthy"}, "database", id="database"),
        pytest.param({"database": {"state": "healthy"}}, "database", id="database is an object"),
        pytest.param({"status": "degraded", "version": "v9"}, "status", id="status before version"),
    ],
)
def test_an_unwell_service_is_not_right(changes: dict[str, Any], expected: Kind) -> None:
    """Status and database have to be well, each by a text that is asked for."""
    assert kind({**MORPHEUS, **changes}) == expected


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"<html><h1>502 Bad Gateway</h1></html>", id="HTML"),
        pytest.param(b'{"status": "ok", "vers', id="half"),
        pytest.param(b"\xff\xfe\x00garbage", id="bytes"),
        pytest.param(b"[" * 60_000, id="nested beyond reason"),
        pytest.param(b"1" * 60_000, id="a number beyond reason"),
    ],
)
def test_what_is_no_json_is_not_right(body: bytes) -> None:
    """A page of a load balancer is an answer, but not the service's."""
    assert judge(body, HealthAnswer(), ACCEPTED).kind == "no JSON"


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_break_the_judge(body: bytes) -> None:
    """Whatever a server sends is judged, and what is told of it is printable."""
    answer = judge(body, HealthAnswer(), ACCEPTED)

    assert answer.kind != "right"
    assert answer.detail.isprintable()


@pytest.mark.parametrize(
    ("document", "fields"),
    [
        pytest.param(
            {"app": {"info": {"release": "v1.0.5"}}, "checks": {"db": "up"}},
            HealthAnswer(status=None, database="checks.db", database_values=("up",), version="app.info.release"),
            id="dotted paths",
        ),
        pytest.param(
            {"healthy": True, "version": "v1.0.5"},
            HealthAnswer(status="healthy", status_values=("true",), database=None),
            id="true as status",
        ),
        pytest.param(
            {"version": "v1.0.5"}, HealthAnswer(status=None, database=None), id="nothing asked but the version"
        ),
    ],
)
def test_the_fields_to_read_are_configuration(document: Any, fields: HealthAnswer) -> None:
    """A dotted path reaches inside, None asks for nothing."""
    assert kind(document, fields) == "right"


@pytest.mark.parametrize("document", [True, None, [], "v1.0.5", {"status": "ok", "database": "ok"}])
def test_an_answer_without_a_version_is_not_right(document: object) -> None:
    """Plain `true` tells no version, so it verifies none."""
    assert kind(document, HealthAnswer(status=None, database=None)) == "version"


def test_without_an_expected_version_any_will_do() -> None:
    """A status display reads the version that is there, and an old release may say none."""
    told = judge(json.dumps(MORPHEUS).encode(), HealthAnswer(), None)
    silent = judge(b"true", HealthAnswer(status=None, database=None), None)

    assert (told.kind, told.version) == ("right", "v1.0.5-main")
    assert (silent.kind, silent.version) == ("right", None)
