"""The endpoints benchmark, on few endpoints, and the same work by curl."""

import shutil

import pytest

from deployments.bench import endpoints


def test_every_endpoint_is_asked_once() -> None:
    """And each answer is judged."""
    result = endpoints.measure(endpoints=40)

    assert result.kept, result.notes
    assert result.notes[0] == "40 of 40 well, each asked once"
    assert result.times["ours"] > 0


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_does_the_same_work() -> None:
    """Where nobody listens none is well, so its count is its own."""
    assert endpoints.by_curl("http://127.0.0.1:1", 3).well == 0


def test_a_service_that_answers_another_version_is_not_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """The benchmark says so instead of its time alone."""
    monkeypatch.setattr(endpoints, "ANSWER", endpoints.ANSWER.replace(b"v1.2.3", b"v1.2.2"))

    result = endpoints.measure(endpoints=3)

    assert not result.kept
    assert "NOT KEPT: 0 of 3 well" in str(result)
