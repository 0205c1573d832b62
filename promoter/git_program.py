"""Runs one git command in a repository: executes nothing of it, hears nothing meant for another one, shows no password."""

import os
import re
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path

from promoter import shell
from promoter.errors import CommandError, RepositoryError
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
PLAIN = {"GIT_TERMINAL_PROMPT": "0", "GIT_FLUSH": "0", "LC_ALL": "C", "LANGUAGE": "C"}
"""Git asks nobody, speaks English, and what it says comes in whole blocks even where somebody listens."""
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

    Raises RepositoryError if it ends with another code than 0.
    """
    return said(repository, arguments[0], ask(repository, *arguments, **variables))


def ask(repository: Path, *arguments: str, **variables: str) -> Answer:
    """Run `git ARGUMENTS` and return its answer, whatever its exit code; raise RepositoryError if it cannot start."""
    added = environment(repository, variables)
    try:
        output = shell.run(["git", *arguments], cwd=repository, env=added, check=False)
    except CommandError as error:
        raise missing() from error
    return Answer(output.code, output.stdout.removesuffix("\n"), output.stderr.removesuffix("\n"))


def lines(repository: Path, *arguments: str, nothing: int = 0) -> Generator[str, None, None]:
    """Yield the lines of what `git ARGUMENTS` says, while it says them; whoever has heard enough closes it, and git ends.

    `nothing` is the code with which git, without a word, finds nothing. Raises RepositoryError for any other than this and 0.
    """
    added = environment(repository, {})
    try:
        output = yield from shell.lines(["git", *arguments], cwd=repository, env=added)
    except CommandError as error:
        raise missing() from error
    if output.code != 0 and (output.code != nothing or output.stderr):
        raise failure(repository, arguments[0], Answer(output.code, "", output.stderr))


def said(repository: Path, command: str, answer: Answer) -> str:
    """Return the stdout of `answer`; raise the RepositoryError that it stands for if its code is not 0."""
    if answer.code != 0:
        raise failure(repository, command, answer)
    return answer.stdout


def failure(repository: Path, command: str, answer: Answer) -> RepositoryError:
    """Return the error that `answer` stands for, transient where a remote did not answer."""
    told = masked(answer.stderr)
    for sign, (wrong, hint) in KNOWN.items():
        if sign in told:
            return RepositoryError(f"{repository} {wrong}", hint=hint)
    return RepositoryError(
        f"`git {command}` failed in {repository}: {told or f'exit code {answer.code}'}",
        transient=any(sign in told for sign in PASSING),
    )


def missing() -> RepositoryError:
    """Return the error of a git that cannot be started."""
    return RepositoryError("git is not installed", hint="Install git 2.32 or newer.")


def masked(text: str) -> str:
    """Return `text` fit to show: one line, and `***` for the user and password of a URL; a token may be either."""
    return printable(LOGIN.sub("***", text), 600)


def environment(repository: Path, variables: Mapping[str, str]) -> dict[str, str]:
    """Return what to add to this process's environment to run git in `repository`; a value of "" removes the name.

    It makes git safe, keeps it from taking a folder around `repository` for it, and removes the caller's own GIT_ variables: inside a
    hook they name another repository. `variables` are added. Raises RepositoryError if there is no such folder.
    """
    if not repository.is_dir():
        raise RepositoryError(f"{repository} is no git repository: no such folder", hint="Name the folder of a clone.")
    foreign = (name for name in os.environ if name.startswith("GIT_") and not KEPT.match(name))
    settings = {
        f"GIT_CONFIG_{kind}_{n}": text
        for n, pair in enumerate(SAFE.items())
        for kind, text in zip(("KEY", "VALUE"), pair, strict=True)
    }
    return {
        **dict.fromkeys(foreign, ""),
        **PLAIN,
        **settings,
        "GIT_CONFIG_COUNT": str(len(SAFE)),
        "GIT_CEILING_DIRECTORIES": str(repository.resolve().parent),
        **variables,
    }
