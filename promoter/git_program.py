"""The only import of GitPython: runs one git command in a repository, executes nothing of it, shows no password."""

import os
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from git import Git, GitCommandNotFound

from promoter.errors import RepositoryError
from promoter.text import printable

SAFE = {
    "core.hooksPath": os.devnull,
    "core.fsmonitor": "false",
    "protocol.ext.allow": "never",
    "gc.autoDetach": "false",
    "http.lowSpeedLimit": "1000",
    "http.lowSpeedTime": "30",
}
"""Nothing of a repository is executed, nothing stays behind in the background, a silent remote is given up (bytes/s, seconds)."""
KEPT = re.compile(r"GIT_(SSH|SSL|PROXY|ASKPASS|EXEC_PATH|CONFIG_(GLOBAL|SYSTEM|NOSYSTEM)|HTTP|PYTHON)")
"""Variables of git that say how to reach a remote. The others name places, and ours are arguments."""
LOGIN = re.compile(r"(?<=://)[^\s/@]+(?=@)")
PASSING = (
    "Could not resolve host",
    "Failed to connect",
    "Connection refused",
    "Connection reset",
    "Connection timed out",
    "Operation timed out",
    "Operation too slow",
    "early EOF",
    "error: 429",
    "error: 50",
    "hung up unexpectedly",
)
"""What git says of a remote that may well answer later."""
KNOWN = {
    "not a git repository": ("is no git repository", "Name the folder of a clone."),
    "detected dubious ownership": (
        "belongs to another user, and git does not trust it",
        "`git config --global --add safe.directory FOLDER`, or run as its owner.",
    ),
}
"""What git says, and how we say it: what is wrong with the repository, and what to do."""


@dataclass(frozen=True)
class Answer:
    """What git said and how it ended."""

    code: int
    stdout: str
    stderr: str


def run(repository: Path, *arguments: str, **variables: str) -> str:
    """Return what `git ARGUMENTS` says in `repository`; `variables` are added to its environment.

    Raises RepositoryError if it ends with another code than 0, transient where a remote did not answer.
    """
    answer = ask(repository, *arguments, **variables)
    if answer.code != 0:
        raise failure(repository, arguments[0], answer)
    return answer.stdout


def ask(repository: Path, *arguments: str, **variables: str) -> Answer:
    """Run `git ARGUMENTS` and return its answer, whatever its exit code; raise RepositoryError if it cannot start."""
    if not repository.is_dir():
        raise RepositoryError(f"{repository} is no git repository: no such folder", hint="Name the folder of a clone.")
    environment = {**_settings(repository), **variables}
    try:
        code, stdout, stderr = Git(repository).execute(
            [*_forgetting(os.environ.keys() - environment), "git", *arguments],
            env=environment,
            with_extended_output=True,
            with_exceptions=False,
        )
    except GitCommandNotFound as error:
        raise RepositoryError("git is not installed", hint="Install git 2.32 or newer.") from error
    return Answer(code, stdout, stderr)


def failure(repository: Path, command: str, answer: Answer) -> RepositoryError:
    """Return the error that `answer` stands for."""
    told = masked(answer.stderr)
    for sign, (wrong, hint) in KNOWN.items():
        if sign in told:
            return RepositoryError(f"{repository} {wrong}", hint=hint)
    return RepositoryError(
        f"`git {command}` failed in {repository}: {told or f'exit code {answer.code}'}",
        transient=any(sign in told for sign in PASSING),
    )


def masked(text: str) -> str:
    """Return `text` fit to show: one line, and `***` for the user and password of a URL; a token may be either."""
    return printable(LOGIN.sub("***", text), 600)


def _settings(repository: Path) -> dict[str, str]:
    """Return the variables that make git safe, and keep it from taking a folder around `repository` for it."""
    numbered = enumerate(SAFE.items())
    settings = {
        f"GIT_CONFIG_{kind}_{n}": text
        for n, pair in numbered
        for kind, text in zip(("KEY", "VALUE"), pair, strict=True)
    }
    return {
        **settings,
        "GIT_CONFIG_COUNT": str(len(SAFE)),
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CEILING_DIRECTORIES": str(repository.resolve().parent),
    }


def _forgetting(names: Iterable[str]) -> Collection[str]:
    """Return the command before git that drops the caller's own GIT_ variables: inside a hook they name another repository."""
    foreign = [name for name in names if name.startswith("GIT_") and not KEPT.match(name)]
    return ["env", *(f"--unset={name}" for name in foreign)] if foreign else []
