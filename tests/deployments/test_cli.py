"""The command line: what it loads, what it says, and how it ends."""

import json
import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any

import pytest

from deployments import cli
from promoter import errors
from promoter.errors import FrozenError, PromoterError


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], int | None]], None]:
    """Return a way to make a function the verb `try`."""

    def make(run: Callable[[], int | None]) -> None:
        module = ModuleType("deployments.commands.try", "Try something.")
        module.__dict__.update(arguments=lambda _parser: None, run=run)
        monkeypatch.setitem(sys.modules, module.__name__, module)
        monkeypatch.setitem(cli.COMMANDS, "try", "try something")

    return make


def fail(error: BaseException) -> Callable[[], None]:
    """Return a verb that ends with `error`."""

    def run() -> None:
        raise error

    return run


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_verb_has_a_file_that_helps(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Its docstring is its help."""
    with pytest.raises(SystemExit) as ended:
        cli.main([name, "--help"])

    assert ended.value.code == 0
    description = import_module(f"deployments.commands.{name}").__doc__
    assert description is not None
    assert " ".join(description.split()) in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_help_names_every_verb(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Also where nothing was asked."""
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)

    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert all(f"{name} " in said and purpose in said for name, purpose in cli.COMMANDS.items())


@pytest.mark.parametrize(
    ("arguments", "heavy"),
    [
        pytest.param(["--help"], {"git", "prefect", "pydantic", "httpx", "rich", "subprocess"}, id="help"),
        pytest.param(["version", "--help"], {"git", "prefect", "pydantic", "httpx", "rich"}, id="version"),
    ],
)
def test_nothing_heavy_is_loaded(arguments: list[str], heavy: set[str]) -> None:
    """They are there in a blink because only the verb that runs is loaded, and `version` asks no remote."""
    script = (
        "import sys\nfrom deployments import cli\n"
        "try: cli.main(sys.argv[1:])\nexcept SystemExit: pass\n"
        "print(*{name.split('.')[0] for name in sys.modules}, file=sys.stderr)"
    )

    ended = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True)

    loaded = set(ended.stderr.split())
    assert "promoter" in loaded
    assert loaded.isdisjoint(heavy)


def test_promoter_says_its_own_version(capsys: pytest.CaptureFixture[str]) -> None:
    """As it is installed."""
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("promoter 0.")


def test_an_unknown_verb_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """With those that there are."""
    with pytest.raises(SystemExit) as ended:
        cli.main(["destroy"])

    assert ended.value.code == 2
    assert "invalid choice: 'destroy' (choose from " in capsys.readouterr().err


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(kind("it broke", hint="mend it"), id=kind.__name__)
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, PromoterError)
    ],
)
def test_every_error_ends_with_its_own_code_and_says_what_to_do(
    error: PromoterError, install: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    """On stderr, without a traceback."""
    install(fail(error))

    assert cli.main(["try"]) == error.exit_code
    assert capsys.readouterr() == ("", "promoter: it broke\n→ mend it\n")


def test_ctrl_c_ends_as_a_shell_expects(install: Callable[..., None], capsys: pytest.CaptureFixture[str]) -> None:
    """128 + SIGINT."""
    install(fail(KeyboardInterrupt()))

    assert cli.main(["try"]) == 130
    assert capsys.readouterr().err == "promoter: interrupted\n"


def test_a_fault_of_promoter_is_a_report_to_paste(
    install: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    """With the places it went through, and without a password."""
    install(fail(KeyError("https://user:secret@git.example/api")))

    assert cli.main(["try"]) == 70
    said = capsys.readouterr().err
    assert "KeyError" in said
    assert "test_cli.py:" in said
    assert "secret" not in said


def test_no_error_has_the_code_of_a_fault_or_of_a_signal() -> None:
    """So a caller can tell them apart."""
    codes = {kind.exit_code for kind in vars(errors).values() if isinstance(kind, type) and hasattr(kind, "exit_code")}

    assert FrozenError.exit_code in codes
    assert codes.isdisjoint({0, cli.FAULT, cli.INTERRUPTED})


def test_a_verb_gives_its_exit_code_back(install: Callable[..., None]) -> None:
    """None is 0."""
    codes = []
    for code in (None, 0, 24):
        install(lambda code=code: code)
        codes.append(cli.main(["try"]))

    assert codes == [0, 0, 24]


@pytest.fixture
def released(repository: Any) -> Any:
    """Return a repository with v1.0.0 on main and two commits more on test."""
    repository.commit("feat: first")
    repository.tag("v1.0.0")
    repository.branch("test")
    repository.commit()
    repository.commit()
    return repository


def say(capsys: pytest.CaptureFixture[str], repository: Any, *arguments: str) -> dict[str, str]:
    """Return what `promoter version --json` says."""
    assert cli.main(["version", f"--repo={repository.path}", "--json", *arguments]) == 0
    said: dict[str, str] = json.loads(capsys.readouterr().out)
    return said


def test_version_says_the_number_and_why(released: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """The keys and their order are fixed."""
    said = say(capsys, released, "--branch=test")

    assert list(said) == ["tag", "version", "base", "commit", "branch", "reason"]
    assert said == {
        "tag": "v1.0.2-test",
        "version": "1.0.2-test",
        "base": "v1.0.0",
        "commit": released.git("rev-parse", "test"),
        "branch": "test",
        "reason": "v1.0.0 and 2 commits since main",
    }


def test_version_speaks_plainly_too(released: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """The tag alone on the first line."""
    assert cli.main(["version", f"--repo={released.path}", "--branch=test", "--suffix=rc"]) == 0
    assert capsys.readouterr().out == "v1.0.2-rc\nv1.0.0 and 2 commits since main\n"


def test_version_skips_a_number_of_another_commit(released: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """And a commit that has one keeps it."""
    released.tag("v1.0.2-test", "test~1")
    skipped = say(capsys, released, "--branch=test")["tag"]
    kept = say(capsys, released, "--branch=test", "--commit=test~1")["tag"]

    assert (skipped, kept) == ("v1.0.3-test", "v1.0.2-test")


def test_version_says_the_same_of_a_release_before_and_after_its_tag(
    released: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """The number, and what it was counted from."""
    released.switch("main")
    released.merge("test")
    before = say(capsys, released, "--branch=main")
    released.tag(before["tag"])
    after = say(capsys, released, "--branch=main")

    assert (before["tag"], before["base"]) == (after["tag"], after["base"]) == ("v1.1.0", "v1.0.0")


@pytest.mark.parametrize(("raises", "tag"), [("minor", "v1.1.0"), ("patch", "v1.0.1"), ("conventional", "v2.0.0")])
def test_version_raises_what_it_is_told(
    released: Any, raises: str, tag: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """On main."""
    released.switch("main")
    released.commit("feat!: another world")

    assert say(capsys, released, "--branch=main", f"--raises={raises}")["tag"] == tag


def test_version_of_a_release_needs_no_branch_here(released: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """A detached head and a branch that only the remote has are how machines check out."""
    released.git("update-ref", "refs/remotes/origin/main", "main")
    released.git("checkout", "--quiet", "--detach", "test")
    released.git("branch", "--delete", "--force", "main", "test")

    assert say(capsys, released, "--branch=test", "--commit=HEAD")["tag"] == "v1.0.2-test"
    assert say(capsys, released, "--branch=main")["tag"] == "v1.0.0"


def test_version_takes_another_main(released: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """A release branch may be called trunk."""
    released.git("branch", "--move", "main", "trunk")

    assert say(capsys, released, "--branch=trunk", "--main=trunk")["tag"] == "v1.0.0"
    assert say(capsys, released, "--branch=test", "--main=refs/heads/trunk")["tag"] == "v1.0.2-test"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["--branch=nothing"], "has no branch 'nothing'", id="unknown branch"),
        pytest.param(["--branch=test", "--commit=ffffffff"], "has no commit 'ffffffff'", id="unknown commit"),
        pytest.param(["--branch=test", "--commit=--all"], "no name of a commit", id="an option as commit"),
        pytest.param(["--branch=test", "--main=--all"], "no name of a commit", id="an option as main"),
        pytest.param(["--branch=test", "--main=trunk"], "has no trunk", id="missing main"),
        pytest.param(["--branch=test", "--repo=/"], "is no git repository", id="no repository"),
    ],
)
def test_version_refuses_what_is_not_there(
    released: Any, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the code of a RepositoryError, nothing on stdout, and what to do next."""
    assert cli.main(["version", f"--repo={released.path}", *arguments]) == 4
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert "→" in err


def test_a_verb_declares_what_its_function_takes() -> None:
    """Names of arguments and of keywords are the same, whatever the verb."""
    for name in cli.COMMANDS:
        command = import_module(f"deployments.commands.{name}")
        parser = ArgumentParser()
        command.arguments(parser)
        declared = {action.dest for action in parser._actions} - {"help"}

        assert declared == set(command.run.__annotations__) - {"return"}
