from datetime import timedelta

import pytest
from fastapi.testclient import TestClient

from app import settings
from app.health import readable
from app.main import app


def test_a_well_service_says_so(client: TestClient) -> None:
    answer = client.get("/health")

    assert answer.status_code == 200
    assert answer.json()["status"] == "ok"
    assert answer.json()["database"] == "healthy"
    assert answer.json()["version"] == settings.version()


def test_without_its_database_it_is_not_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql+asyncpg://nobody@127.0.0.1:1/nothing")
    with TestClient(app) as client:
        answer = client.get("/health")

    assert answer.status_code == 503
    assert answer.json()["database"] == "unhealthy"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (61, "1m 1s"), (3600, "1h 0m 0s"), (161885, "1d 20h 58m 5s")],
)
def test_uptime_reads_well(seconds: int, text: str) -> None:
    assert readable(timedelta(seconds=seconds)) == text


def test_the_root_says_who_this_is(client: TestClient) -> None:
    assert client.get("/").json()["service"] == "sample-api"
