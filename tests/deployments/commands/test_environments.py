"""What `promoter freeze`, `unfreeze`, `status` and `history` say, on a real ledger; nothing else of the world answers."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from deployments import cli
from deployments.commands.history import COLUMNS
from deployments.sandbox.sample.service import to_toml
from promoter.config import Service
from promoter.ledger import leases, promotions
from promoter.ledger.connection import connect
from promoter.ledger.promotions import Promotion
from promoter.records import Push
from promoter.settings import Settings

COMMIT = "a" * 40
Say = Callable[..., str]


@pytest.fixture(autouse=True)
def service(settings: Settings, make_service: Callable[..., Service], monkeypatch: pytest.MonkeyPatch) -> Service:
    """Return the only service, in a world where nobody answers."""
    closed = "http://127.0.0.1:1"
    monkeypatch.setenv("PROMOTER_USER", "ann")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "nobody")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    plain = make_service()
    parts = {"health_url": f"{closed}/health", "endpoint_url": closed}
    found = plain.model_copy(
        update={"environments": {name: one.model_copy(update=parts) for name, one in plain.environments.items()}}
    )
    write(found, settings)
    return found


def write(service: Service, settings: Settings) -> None:
    """Write the file of a service."""
    settings.services.mkdir(exist_ok=True)
    (settings.services / f"{service.name}.toml").write_text(to_toml(service))


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    """Return what a command line says; it has to end well."""

    def call(*arguments: str) -> str:
        assert cli.main(arguments) == 0
        return capsys.readouterr().out

    return call


@pytest.fixture
def refuse(capsys: pytest.CaptureFixture[str]) -> Say:
    """Return why a command line is refused."""

    def call(*arguments: str) -> str:
        assert cli.main(arguments) == 2
        return capsys.readouterr().err

    return call


def promoted(service: Service) -> Promotion:
    """Return a promotion to staging that holds it."""
    push = Push(repository=service.repository, branch="test", commit=COMMIT, base="v1.0.2")
    with connect() as ledger:
        promotion = promotions.accept(ledger, service, push, by="bob")
        leases.take(ledger, promotion, driver="one", seconds=30)
    return promotion


def test_an_environment_is_frozen_in_the_name_of_the_user(say: Say) -> None:
    """And unfrozen again; what is not frozen is said to be so."""
    assert say("freeze", "staging", "--reason", "fire drill") == "api/staging is frozen: fire drill\n"
    ended = say("unfreeze", "staging")
    assert ended.startswith("api/staging takes promotions again; it was frozen since ")
    assert ended.endswith(" by ann: fire drill\n")
    assert say("unfreeze", "staging") == "api/staging is not frozen\n"


def test_what_is_under_way_goes_on(service: Service, say: Say) -> None:
    """Whoever freezes is told so."""
    promotion = promoted(service)

    said = say("freeze", "staging", "--reason", "fire drill")

    assert f"promotion {promotion.id} is under way there and goes on to its end" in said


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["freeze", "stagin", "--reason=x"], id="freeze"),
        pytest.param(["unfreeze", "stagin"], id="unfreeze"),
        pytest.param(["status", "stagin"], id="status"),
        pytest.param(["history", "stagin"], id="history"),
        pytest.param(["rollback", "stagin"], id="rollback"),
    ],
)
def test_an_unknown_environment_is_refused_with_the_nearest_right_name(arguments: list[str], refuse: Say) -> None:
    """Nothing is changed."""
    said = refuse(*arguments)

    assert "api has no environment 'stagin'; it has staging, production" in said
    assert "Did you mean 'staging'?" in said


def test_the_service_is_named_where_there_are_several(
    make_service: Callable[..., Service], settings: Settings, say: Say, refuse: Say
) -> None:
    """Alone it need not be."""
    write(make_service(name="web"), settings)

    assert "there are: api, web" in refuse("history", "staging")
    assert say("history", "staging", "--service=web") == "nothing was promoted to web/staging yet\n"


def test_a_freeze_has_a_reason(refuse: Say) -> None:
    """Whoever promotes meanwhile is told."""
    assert "--reason is empty" in refuse("freeze", "staging", "--reason", " ")


def test_history_tells_who_asked_and_what_came_of_it(service: Service, say: Say) -> None:
    """The first line of the cause in the table, all of it in JSON."""
    promotion = promoted(service)
    with connect() as ledger:
        promotions.end(ledger, promotion.id, "rolled_back", "exit code 3\nthe log")

    heading, row = say("history", "staging").splitlines()
    [entry] = json.loads(say("history", "staging", "--json"))

    assert heading.split() == [column.upper() for column in COLUMNS]
    assert row.split()[:4] == [COMMIT[:12], "test", "rolled_back", "bob"]
    assert row.endswith("  exit code 3")
    assert (entry["promotion"], entry["cause"], entry["by"]) == (str(promotion.id), "exit code 3\nthe log", "bob")
    assert entry["seconds"] >= 0
    assert entry["started"].endswith("+00:00")


def test_status_says_what_cannot_be_reached(service: Service, say: Say) -> None:
    """And all the rest: nothing is fatal."""
    promotion = promoted(service)
    say("freeze", "staging", "--reason", "fire drill")

    staging, production = json.loads(say("status", "--json"))

    assert (staging["environment"], production["environment"]) == ("staging", "production")
    assert {name for name, value in staging.items() if value is None} == {
        "version", "commit", "branch", "digest", "task_definition", "schema", "promotion", "since", "by", "hold", "doubt"
    }  # fmt: skip
    assert (staging["lease"]["promotion"], staging["lease"]["alive"]) == (str(promotion.id), True)
    assert (staging["freeze"]["reason"], staging["freeze"]["by"]) == ("fire drill", "ann")
    assert set(staging["errors"]) == {"ecs", "database"}
    assert not staging["health"]["ok"]


def test_status_says_that_the_ledger_cannot_be_reached(monkeypatch: pytest.MonkeyPatch, say: Say) -> None:
    """What can be seen of the environment is told all the same."""
    monkeypatch.setenv("PROMOTER_LEDGER_URL", "postgresql://promoter@127.0.0.1:1/promoter")

    [staging] = json.loads(say("status", "staging", "--json"))

    assert "cannot be reached" in staging["errors"]["ledger"]
    assert (staging["lease"], staging["freeze"], staging["hold"]) == (None, None, None)


def test_status_is_told_in_plain_lines_where_there_is_no_terminal(service: Service, say: Say) -> None:
    """One fact a line, the environment first."""
    promoted(service)

    facts: Any = dict(line.split("  ", 1) for line in say("status", "staging").replace("staging  ", "").splitlines())

    assert facts["freeze"].strip() == "none"
    assert facts["lease"].strip().startswith(f"{COMMIT[:12]} since ")
    assert facts["schema"].strip().startswith("not reached: ")
