"""What `promoter rehearse` says of a checkout."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from deployments import cli
from deployments.sandbox.sample.service import to_toml
from promoter import dependencies
from promoter.config import Service
from promoter.dependencies import Environment
from promoter.settings import Settings
from tests.promoter.schema.conftest import SYNC, Project
from tests.promoter.schema.zoo import EMAIL, FORGET, NO_EMAIL, RECALL, USERS

SAMPLE = Path(__file__).parents[3] / "deployments" / "sandbox" / "sample" / "template"


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMOTER_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a checkout with three migrations; its locked environment is ours, which has all they need."""
    monkeypatch.setattr(
        dependencies, "environment", lambda *_, **__: Environment(Path(sys.executable), "", created=False)
    )
    project = Project(tmp_path / "checkout", _no_launch)
    project.environment(SYNC)
    project.revision("users", None, USERS, "raise NotImplementedError")
    project.revision("email", "users", EMAIL, NO_EMAIL)
    project.revision("forget", "email", FORGET, RECALL)
    for name in ("pyproject.toml", "uv.lock"):
        (project.path / name).touch()
    return project.path


def _no_launch(*_: object) -> str:
    raise AssertionError("the command starts its own interpreter")


@pytest.fixture
def refuse(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Return why a command line is refused."""

    def call(*arguments: str) -> str:
        assert cli.main(["rehearse", *arguments]) == 2
        return capsys.readouterr().err

    return call


def test_json_has_a_verdict_for_each_revision_and_for_the_path(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """From the heads that were named."""
    assert cli.main(["rehearse", f"--repo={checkout}", "--from", "users", "--json"]) == 0

    found = json.loads(capsys.readouterr().out)
    assert [(one["revision"], one["verdict"]) for one in found["revisions"]] == [
        ("email", "lossless"),
        ("forget", "lossy"),
    ]
    assert found["revisions"][1]["detail"] == "Lost on the way back: users.age."
    assert (found["before"], found["after"]) == (["users"], ["forget"])
    assert (found["verdict"], found["old_release_compatible"]) == ("lossy", False)
    assert found["obstacles"] == ["TABLE users: column age is gone"]


def test_plain_lines_say_the_same(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One for each revision, then the path."""
    assert cli.main(["rehearse", "--repo", str(checkout), "--from", "email"]) == 0

    heading, revision, *path = capsys.readouterr().out.splitlines()
    assert heading.split() == ["REVISION", "VERDICT", "DETAIL"]
    assert revision.split(maxsplit=2) == ["forget", "lossy", "Lost on the way back: users.age."]
    assert path == [
        "email → forget: lossy",
        "Lost on the way back: users.age.",
        "the release before can live on the new schema: no",
        "  TABLE users: column age is gone",
    ]


def test_a_service_file_says_where_the_migrations_are(
    checkout: Path, settings: Settings, make_service: Callable[..., Service], capsys: pytest.CaptureFixture[str]
) -> None:
    """Here in a folder that a checkout alone does not tell of."""
    (checkout / "deep" / "down").mkdir(parents=True)
    for name in ("alembic.ini", "alembic"):
        (checkout / name).rename(checkout / "deep" / "down" / name)
    settings.services.mkdir()
    service = make_service(migrations={"directory": "deep/down"}, dependencies={"tool": "uv"})
    (settings.services / "api.toml").write_text(to_toml(service))

    assert cli.main(["rehearse", f"--repo={checkout}", "--service=api", "--from=email", "--json"]) == 0

    assert json.loads(capsys.readouterr().out)["verdict"] == "lossy"


def test_a_real_checkout_is_rehearsed_with_its_locked_dependencies(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The sample service, from an empty database; nothing is written to it."""
    checkout = tmp_path / "sample"
    shutil.copytree(SAMPLE, checkout, ignore=shutil.ignore_patterns("__pycache__"))
    files = sorted(checkout.rglob("*"))

    assert cli.main(["rehearse", f"--repo={checkout}", "--json"]) == 0

    found = json.loads(capsys.readouterr().out)
    assert (found["verdict"], found["before"], found["old_release_compatible"]) == ("lossless", [], True)
    assert {one["verdict"] for one in found["revisions"]} == {"lossless"}
    assert sorted(checkout.rglob("*")) == files


def test_an_unknown_revision_is_refused_with_the_nearest_right_name(checkout: Path, refuse: Callable[..., str]) -> None:
    """Before anything is started."""
    said = refuse(f"--repo={checkout}", "--from", "emial")

    assert "has no revision 'emial'; its heads are forget" in said
    assert "Did you mean 'email'?" in said


def test_a_checkout_without_alembic_is_refused(checkout: Path, refuse: Callable[..., str]) -> None:
    """With the way to name another place."""
    (checkout / "alembic.ini").unlink()

    assert f"{checkout} has no alembic.ini\n→ Name the service file" in refuse(f"--repo={checkout}")


def test_a_checkout_with_several_is_refused(checkout: Path, refuse: Callable[..., str]) -> None:
    """One in a folder of its own would have been found."""
    (checkout / "alembic.ini").unlink()
    for name in ("one", "two"):
        (checkout / name).mkdir()
        (checkout / name / "alembic.ini").touch()

    assert "has several alembic.ini: one/alembic.ini, two/alembic.ini" in refuse(f"--repo={checkout}")


def test_a_checkout_without_a_lock_file_is_refused(checkout: Path, refuse: Callable[..., str]) -> None:
    """Nothing is ever locked here."""
    (checkout / "uv.lock").unlink()

    assert "has no lock file: neither poetry.lock nor uv.lock" in refuse(f"--repo={checkout}")


def test_a_folder_that_is_none_is_refused(tmp_path: Path, refuse: Callable[..., str]) -> None:
    """By its name."""
    assert "nowhere is no folder" in refuse(f"--repo={tmp_path / 'nowhere'}")
