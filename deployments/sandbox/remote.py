"""The git remote of the sandbox: a bare repository, reached by its path."""

import os
from pathlib import Path

from promoter.shell import Output, run


def create(folder: Path) -> Path:
    """Make the bare repository `folder`, or keep the one that is there, and return it; HEAD is `main`.

    A branch may be pushed over, as on GitHub without branch protection. Raises CommandError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "--quiet", "--bare", "--template=", "--initial-branch=main")
    git(folder, "config", "receive.denyNonFastForwards", "false")
    return folder


def git(folder: Path, *arguments: str) -> Output:
    """Run git in `folder` as nobody in particular: no user's or system's configuration, no inherited GIT_* variables."""
    return run(["git", *arguments], cwd=folder, env=isolated(dict(os.environ)), timeout=60)


def isolated(environment: dict[str, str]) -> dict[str, str]:
    """Return what to add to `environment` so that git depends on nothing but its arguments; "" removes a name."""
    inherited = {name: "" for name in environment if name.startswith("GIT_")}
    return {
        **inherited,
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_SYSTEM": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_AUTHOR_NAME": "Sam Sample",
        "GIT_AUTHOR_EMAIL": "sam@sample.example",
        "GIT_COMMITTER_NAME": "Sam Sample",
        "GIT_COMMITTER_EMAIL": "sam@sample.example",
    }
