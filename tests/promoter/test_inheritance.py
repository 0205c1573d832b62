"""No program inherits a secret of this installation; who needs one is handed it on purpose."""

import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from promoter import remotes, shell
from promoter.errors import RepositoryError
from promoter.inheritance import SECRET, inherited
from promoter.settings import Settings

CANARY = "canary-5Jx0Vv2mQe8Rk1Zt"
TELL = (sys.executable, "-c", "import os; print(os.environ)")


@pytest.fixture(autouse=True)
def secret_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process have a secret under each name that may hold one."""
    for name in [*secret_names(), "PREFECT_API_KEY", "PREFECT_API_AUTH_STRING"]:
        monkeypatch.setenv(name, CANARY)
    monkeypatch.setenv("PROMOTER_CACHE", "seen")


def secret_names() -> list[str]:
    """Return the variables of the settings that are secret."""
    fields = Settings.model_fields.items()
    return [
        f"PROMOTER_{name.upper()}" for name, field in fields if SecretStr in getattr(field.annotation, "__args__", ())
    ]


def telling(path: Path, told: Path) -> Path:
    """Write a program that tells its environment to the file `told`."""
    path.write_text(f"#!/bin/sh\nenv > {told}\n")
    path.chmod(0o755)
    return path


def test_every_secret_of_the_settings_is_known_by_its_name() -> None:
    """A new one needs a name that says what it is."""
    assert {"PROMOTER_LEDGER_PASSWORD", "PROMOTER_REGISTRY_PASSWORD"} <= set(secret_names())
    assert [name for name in secret_names() if not SECRET.fullmatch(name)] == []


def test_what_is_no_secret_is_inherited() -> None:
    """The path, the language and our own settings."""
    assert inherited()["PROMOTER_CACHE"] == "seen"
    assert "PATH" in inherited()


def test_a_program_does_not_see_our_secrets() -> None:
    """Whether it is waited for or heard line by line."""
    said = shell.run(TELL).stdout + "".join(shell.lines(TELL))

    assert "seen" in said
    assert CANARY not in said


def test_a_program_sees_what_it_is_handed() -> None:
    """By name, at the moment of use."""
    assert CANARY in shell.run(TELL, env={"PROMOTER_LEDGER_PASSWORD": CANARY}).stdout


def test_a_program_that_git_starts_does_not_see_our_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The way to a remote is a program of somebody else."""
    told = tmp_path / "told"
    monkeypatch.setenv("GIT_SSH", str(telling(tmp_path / "ssh", told)))

    with pytest.raises(RepositoryError):
        remotes.head("ssh://git.example/api.git", "main")

    assert "GIT_SSH=" in told.read_text()
    assert CANARY not in told.read_text()


def test_a_hook_of_the_remote_does_not_see_our_secrets(repository: Any, tmp_path: Path) -> None:
    """A remote on this machine runs its hooks as our children."""
    remote, told = tmp_path / "remote.git", tmp_path / "told"
    shell.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", remote])
    (remote / "hooks").mkdir(exist_ok=True)
    telling(remote / "hooks" / "update", told)

    remotes.push_tag(repository.path, str(remote), "v1.0.0", repository.commit(), "the first")

    assert "GIT_DIR=" in told.read_text()
    assert CANARY not in told.read_text()
