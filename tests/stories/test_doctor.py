"""The doctor on a whole sandbox: everything that a promotion needs is there, and what is taken away is named."""

import json
import socket
import time

import pytest

from deployments import cli
from tests.stories.conftest import LOOK, PATIENCE, Stage

pytestmark = [pytest.mark.xdist_group("other sandbox"), pytest.mark.slow]


@pytest.mark.usefixtures("stage")
def test_a_whole_installation_has_nothing_to_mend(capsys: pytest.CaptureFixture[str]) -> None:
    """Line by line; what no service needs is skipped with the reason."""
    deadline = time.monotonic() + PATIENCE
    while cli.main(["doctor"]) != 0:  # a worker that has just begun has given no sign of life yet
        said = capsys.readouterr()
        assert time.monotonic() < deadline, said.out
        time.sleep(LOOK)

    lines = capsys.readouterr().out.splitlines()
    assert {line.split()[0] for line in lines} == {"OK", "SKIP"}
    for name in (
        "ledger",
        "Prefect: job template",
        "Prefect: workers",
        "sample-api: registry",
        "sample-api/production: secret and database",
    ):
        assert any(line.startswith(f"OK   {name}: ") for line in lines), name
    assert "SKIP Buildx: no service builds with it" in lines
    assert "SKIP Prefect: what replicas share: one server: it keeps events, leases and messages in its memory" in lines


def test_what_is_missing_is_named_with_what_to_do(
    stage: Stage, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong password of the registry and a Prefect server that is down; the rest is looked at all the same."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("PREFECT_API_URL", f"http://127.0.0.1:{taken.getsockname()[1]}/api")
        monkeypatch.setenv("PROMOTER_REGISTRY_PASSWORD", "another")

        assert cli.main(["doctor", "--service", stage.service.name, "--json"]) == 1

    said = capsys.readouterr()
    found = {one["name"]: one for one in json.loads(said.out)}
    wrong = [name for name, one in found.items() if one["outcome"] == "NG"]
    of_prefect = ("server", "database", "what replicas share", "deployments", "work pool", "job template", "workers")
    assert wrong == [*(f"Prefect: {part}" for part in of_prefect), "sample-api: registry"]
    assert "Is it up" in found["Prefect: server"]["hint"]
    assert "8 of " in said.err
