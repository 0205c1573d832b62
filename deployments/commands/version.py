"""Say which version a commit gets, and why. Nothing is reserved and nothing is changed."""

import json
from argparse import ArgumentParser
from dataclasses import asdict
from pathlib import Path
from typing import get_args

from promoter import git, versions
from promoter.errors import RepositoryError
from promoter.records import Version
from promoter.versions import Raises

MAIN = ("refs/remotes/origin/main", "refs/heads/main")
"""Where main is looked for, in this order."""


def arguments(parser: ArgumentParser) -> None:
    """Declare what the verb takes."""
    parser.add_argument("--repo", type=Path, default=Path(), metavar="PATH", help="the repository (this folder)")
    parser.add_argument("--branch", required=True, help="the branch that the commit is promoted on")
    parser.add_argument("--commit", metavar="SHA", help="the commit (the head of the branch)")
    parser.add_argument(
        "--main", metavar="REF", help="whose tags are the base (origin/main if there is one, else main)"
    )
    parser.add_argument(
        "--raises", choices=get_args(Raises), default="minor", help="what a release on main raises (minor)"
    )
    parser.add_argument("--suffix", help="what stands behind the number (nothing on main, else the branch's last part)")
    parser.add_argument("--json", action="store_true", dest="as_json", help="print everything, as JSON")


def run(
    *, repo: Path, branch: str, commit: str | None, main: str | None, raises: Raises, suffix: str | None, as_json: bool
) -> None:
    """Print the version of one commit."""
    version = version_of(repo, branch, commit=commit, main=main, raises=raises, suffix=suffix)
    print(json.dumps(asdict(version), indent=2) if as_json else f"{version.tag}\n{version.reason}")  # noqa: T201


def version_of(
    repository: Path, branch: str, *, commit: str | None, main: str | None, raises: Raises, suffix: str | None
) -> Version:
    """Return the version of `commit` (None: the head of `branch`) by the repository's own tags.

    Raises RepositoryError for what the repository does not have, VersionError where there is no legal number.
    """
    heads = (f"refs/heads/{branch}", f"refs/remotes/origin/{branch}")
    found = git.references(repository)
    target = (
        git.resolve(repository, commit) if commit is not None else next(map(found.get, filter(found.get, heads)), None)
    )
    if target is None:
        raise RepositoryError(
            f"{repository} has no branch {branch!r}", hint="Fetch it, or name the commit with --commit."
        )
    main = main or next(filter(found.get, MAIN), "main")
    on_main = branch == main.removeprefix("refs/").removeprefix("heads/").removeprefix("remotes/").removeprefix(
        "origin/"
    )
    taken = git.tags(found)
    base = git.base_tag(repository, main, known=taken, besides=target if on_main else None)
    ending = "" if on_main and suffix is None else versions.suffix_of(branch, suffix)
    history = git.history(repository, main, target, base, messages=raises == "conventional")
    return versions.number(history, branch=branch, commit=target, suffix=ending, raises=raises, taken=taken)
