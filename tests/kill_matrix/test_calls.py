"""How calls are named, and which kills a journal stands for."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import httpx
import psycopg
import pytest

from promoter.postgres import Server
from promoter.shell import run
from tests.kill_matrix import calls, child
from tests.kill_matrix.calls import Call, Entry, Kill, Recorder
from tests.kill_matrix.cases import Case, Result, kills, of, pairs, sample
from tests.kill_matrix.edges import http_name, process_name, statement_name

UPDATE = Call("roll_out", "aws ecs:UpdateService", 1)
PUSH = Call("tag_release", "process git push", 1)


def entry(call: Call) -> Entry:
    """Return the beginning of a call."""
    return Entry(1.0, "before", call)


@pytest.mark.parametrize(
    ("argv", "environment", "name"),
    [
        (["git", "fetch", "--quiet", "--", "https://git.example/api.git"], {}, "git fetch"),
        (["env", "--unset=GIT_DIR", "git", "push", "--quiet"], {}, "git push"),
        (["/venv/bin/python", "-m", "alembic", "-c", "alembic.ini", "upgrade", "heads"], {}, "alembic upgrade"),
        (["/venv/bin/python", "runner.py"], {"PROMOTER_MIGRATION": '{"command": "downgrade"}'}, "runner downgrade"),
        (["/venv/bin/python", "runner.py"], {"PROMOTER_MIGRATION": '{"serve": "/socket"}'}, "runner serve"),
        (["/usr/lib/postgresql/bin/pg_ctl", "start", "-w"], None, "pg_ctl start"),
        (["pytest", "--quiet"], None, "pytest"),
    ],
)
def test_a_program_is_named_by_what_it_is_to_do(
    argv: Sequence[str], environment: Mapping[str, str] | None, name: str
) -> None:
    """Paths and options are another from run to run."""
    assert process_name(argv, environment) == f"process {name}"


@pytest.mark.parametrize(
    ("request_", "name"),
    [
        (httpx.Request("GET", "http://127.0.0.1:1/v2/api/manifests/v1.0.3"), "registry GET /v2/api/manifests/…"),
        (
            httpx.Request("PUT", f"http://127.0.0.1:1/v2/api/blobs/uploads/0af3?digest=sha256:{'0' * 64}"),
            "registry PUT /v2/api/blobs/uploads/……",
        ),
        (httpx.Request("GET", "http://127.0.0.1:2/health"), "http GET /health"),
        (httpx.Request("GET", "http://127.0.0.1:3/api/health"), None),
    ],
    ids=["tag", "upload", "health", "prefect"],
)
def test_a_request_is_named_without_what_is_new_in_each_promotion(
    monkeypatch: pytest.MonkeyPatch, request_: httpx.Request, name: str | None
) -> None:
    """What goes to Prefect is no call of a promotion."""
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:3/api")

    assert http_name(None, request_) == name


@pytest.mark.parametrize(
    ("statement", "name"),
    [
        ("\n  UPDATE promotions SET driver = %s", "UPDATE promotions"),
        ("INSERT INTO steps (promotion) VALUES (%s)", "INSERT steps"),
        ('CREATE DATABASE "rehearsal_14607_2" OWNER x', 'CREATE "rehearsal"'),
        ("SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity", "pg_terminate_backend"),
        ("SELECT pg_try_advisory_lock(%s)", None),
        ("SELECT epoch FROM environments FOR SHARE", None),
    ],
)
def test_a_statement_is_a_call_where_it_changes_something(
    postgres_server: Server, statement: str, name: str | None
) -> None:
    """A lock goes with the process that holds it."""
    with psycopg.connect(**postgres_server.credentials().connection()) as connection:
        assert statement_name(connection.cursor(), statement) == name


def test_a_process_is_killed_where_it_is_told_to_be(tmp_path: Path) -> None:
    """What it called until then is in its journal, and what comes later never happens."""
    journal, proof = tmp_path / "journal", tmp_path / "proof"
    kill = Kill("before", Call("promotion", "process touch", 2))
    recorder = Recorder(journal, "promotion", kill)

    code = child.run(lambda: [run(["touch", f"{proof}-{n}"]) for n in range(3)], recorder, tmp_path / "log")

    touched = [(one.moment, one.call.number) for one in calls.read(journal)]
    assert code == 9
    assert touched == [("before", 1), ("during", 1), ("after", 1), ("before", 2)]
    assert [path.name for path in tmp_path.glob("proof*")] == ["proof-0"]


def test_a_kill_is_read_as_it_is_written() -> None:
    """As the command line does."""
    kill = Kill("after", UPDATE)

    assert str(kill) == "after roll_out: aws ecs:UpdateService #1"
    assert Kill.read(str(kill)) == kill


@pytest.mark.parametrize(
    "case",
    [
        Case("forward", promotion=Kill("after", UPDATE)),
        Case("back", recovery=Kill("before", UPDATE)),
        Case("rollback", Kill("during", PUSH), Kill("before", UPDATE)),
    ],
    ids=str,
)
def test_a_case_is_read_as_it_is_written(case: Case) -> None:
    """So a line of the matrix can be played again."""
    assert Case.read(str(case)) == case


def test_what_is_no_kill_is_refused() -> None:
    """A mistake on the command line is told, with an example."""
    with pytest.raises(ValueError, match="is not like"):
        Kill.read("sometime roll_out: aws ecs:UpdateService #1")
    with pytest.raises(ValueError, match="is not like"):
        Case.read("sideways, promotion killed after roll_out: aws ecs:UpdateService #1")


def test_a_process_dies_once_between_two_calls() -> None:
    """After the one is before the next; a program that changes something goes on alone too."""
    second = Call("roll_out", "aws ecs:DescribeServices", 1)

    found = list(kills([entry(UPDATE), entry(PUSH), entry(second)]))

    assert [str(kill) for kill in found] == [
        f"before {UPDATE}",
        f"after {UPDATE}",
        f"before {PUSH}",
        f"during {PUSH}",
        f"after {PUSH}",
        f"after {second}",
    ]
    assert Kill("before", second) in set(kills([entry(UPDATE), entry(second)], every=True))


def test_a_recovery_is_killed_after_its_promotion() -> None:
    """A pair kills each promotion once more, in what recovered it."""
    kill = Kill("after", UPDATE)
    call = Call("recover", "aws ecs:StopServiceDeployment", 1)
    killed = Result(
        Case("forward", promotion=kill), "rolled_back", (), missed=False, seconds=1, recovery=(entry(call),)
    )

    assert list(pairs([killed])) == [Case("forward", kill, Kill("before", call))]
    assert of(Result(Case("back"), "rolled_back", (), missed=False, seconds=1, recovery=(entry(call),))) == [
        Case("back", recovery=Kill("before", call)),
        Case("back", recovery=Kill("after", call)),
    ]


def test_a_sample_is_spread_evenly() -> None:
    """Neither the first nor the last are preferred."""
    assert sample(range(9), 3) == [1, 4, 7]
    assert sample(range(2), 3) == [0, 1]


def test_looks_are_told_from_changes() -> None:
    """A kill at a look leaves the same world as one at the change before it."""
    looks = ("aws ecs:DescribeServices", "registry GET /v2/", "process git rev-parse", "process git ls-remote")

    assert [name for name in looks if Call("roll_out", name, 1).changes] == []
    assert UPDATE.changes
    assert PUSH.changes
    assert Call("accept", "process git fetch", 1).changes
