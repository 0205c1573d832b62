"""Remotes: mirrors of them, the heads of their branches, and their release tags; the only import of GitPython."""

import fcntl
import tempfile
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path

from git import Git, GitCommandNotFound

from promoter import git
from promoter.errors import ReleaseError, RepositoryError
from promoter.git_program import Answer, environment, failure, masked, missing, said
from promoter.inheritance import withheld

HEADS_AND_TAGS = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
FETCH = ("fetch", "--quiet", "--no-tags", "--no-write-fetch-head")
NOWHERE = Path("/")
"""Where questions to a remote are asked: the answer depends on no repository."""


def mirror(url: str, cache: Path) -> Path:
    """Return a bare mirror of `url`, its branches and tags as new as the remote's are now; one per URL is kept in `cache`.

    Raises RepositoryError, transient where the remote does not answer.
    """
    source, folder = _place(url), mirrored(url, cache)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.is_dir():
            _fetch(source, folder)
        else:
            with tempfile.TemporaryDirectory(dir=folder.parent, prefix="unfinished-") as unfinished:
                fresh = Path(unfinished, "mirror")
                _run(NOWHERE, "init", "--quiet", "--bare", "--template=", "--initial-branch=main", "--", str(fresh))
                _fetch(source, fresh)
                fresh.rename(folder)
    return folder


def pull_request(url: str, cache: Path, number: int) -> str:
    """Fetch the head of a pull request into the mirror of `url`, which has to be there, and return its commit.

    GitHub keeps it in the repository that it is for, also where it comes from a fork,
    https://docs.github.com/pull-requests/collaborating-with-pull-requests/reviewing-changes-in-pull-requests/checking-out-pull-requests-locally.
    Raises RepositoryError, transient where the remote does not answer.
    """
    folder, reference = mirrored(url, cache), f"refs/pull/{number}/head"
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if reference not in _remote(url, reference):
            raise RepositoryError(f"{masked(url)} has no pull request {number}", hint="Open it on GitHub.")
        _run(folder, *FETCH, "--", _place(url), f"+{reference}:{reference}")
    return git.resolve(folder, reference)


def mirrored(url: str, cache: Path) -> Path:
    """Return where the mirror of `url` is, or will be."""
    return cache / "mirrors" / blake2b(_place(url).encode(), digest_size=12).hexdigest()


def head(url: str, branch: str) -> str:
    """Return the commit at the head of a remote's branch. Raises RepositoryError if there is none (transient: no answer)."""
    reference = f"refs/heads/{branch}"
    commit = _remote(url, reference).get(reference)
    if commit is None:
        raise RepositoryError(f"{masked(url)} has no branch {masked(branch)!r}", hint="Push it first.")
    return commit


def heads(url: str) -> dict[str, str]:
    """Return branch → commit of a remote, without a copy of it. Raises RepositoryError (transient: no answer)."""
    prefix = "refs/heads/"
    found = _remote(url, f"{prefix}*")
    return {name.removeprefix(prefix): commit for name, commit in found.items() if name.startswith(prefix)}


def tagged(url: str, tag: str) -> str | None:
    """Return the commit that `tag` names at the remote, None if it is not there. Raises RepositoryError (transient)."""
    reference = f"refs/tags/{tag}"
    named = _remote(url, reference, f"{reference}^{{}}")
    return named.get(f"{reference}^{{}}") or named.get(reference)


def push_tag(
    repository: Path,
    url: str,
    tag: str,
    commit: str,
    message: str,
    *,
    name: str = "Promoter",
    email: str = "promoter@localhost",
) -> None:
    """Push the annotated `tag` for `commit`; there already for the same commit is done.

    Raises ReleaseError if it names another commit (nothing is moved), RepositoryError (transient) if the remote does not answer.
    """
    there = tagged(url, tag)
    if there is None:
        identity = {"GIT_COMMITTER_NAME": name, "GIT_COMMITTER_EMAIL": email}
        _push_new_tag(repository, url, tag, commit, message=message, identity=identity)
    elif there != commit:
        raise _other_commit(tag, masked(url), there, commit)


def _push_new_tag(
    repository: Path, url: str, tag: str, commit: str, *, message: str, identity: Mapping[str, str]
) -> None:
    """Push an annotated tag, without force: whoever was faster keeps the name."""
    here = git.tagged(repository, tag)
    if here is None:
        _run(
            repository, "tag", "--annotate", "--cleanup=verbatim", f"--message={message}", "--", tag, commit, **identity
        )
    elif here != commit:
        raise _other_commit(tag, str(repository), here, commit)
    reference = f"refs/tags/{tag}"
    answer = _ask(repository, "push", "--quiet", "--", _place(url), f"{reference}:{reference}")
    if answer.code != 0 and (there := tagged(url, tag)) != commit:
        raise failure(repository, "push", answer) if there is None else _other_commit(tag, masked(url), there, commit)


def _other_commit(tag: str, where: str, there: str, commit: str) -> ReleaseError:
    return ReleaseError(
        f"tag {tag} exists in {where} for commit {there}, this is {commit}",
        hint="Tags never move. Find out who made it, and delete it if it is wrong.",
    )


def _fetch(source: str, folder: Path) -> None:
    _run(folder, *FETCH, "--prune", "--", source, *HEADS_AND_TAGS)


def _remote(url: str, *references: str) -> dict[str, str]:
    """Return reference → object of those that a remote has."""
    lines = _run(NOWHERE, "ls-remote", "--quiet", "--", _place(url), *references).splitlines()
    return {name: commit for commit, _, name in (line.partition("\t") for line in lines)}


def _place(url: str) -> str:
    """Return a remote's URL; of a folder its full path, for git runs elsewhere."""
    folder = Path(url)
    return str(folder.resolve()) if "://" not in url and folder.exists() else url


def _run(repository: Path, *arguments: str, **variables: str) -> str:
    return said(repository, arguments[0], _ask(repository, *arguments, **variables))


def _ask(repository: Path, *arguments: str, **variables: str) -> Answer:
    """Run `git ARGUMENTS` by GitPython and return its answer, whatever its exit code."""
    # GitPython hands down this process's whole environment, and adds to it.
    added = withheld() | environment(repository, variables)
    forgotten = [f"--unset={name}" for name, value in added.items() if value == ""]
    try:
        code, stdout, stderr = Git(repository).execute(
            [*(["env", *forgotten] if forgotten else []), "git", *arguments],
            env=added,
            with_extended_output=True,
            with_exceptions=False,
        )
    except GitCommandNotFound as error:
        raise missing() from error
    return Answer(code, stdout, stderr)
