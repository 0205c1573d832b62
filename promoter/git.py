"""Questions to a git history, and working copies of one commit."""

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path

import semver

from promoter import scratch, versions
from promoter.errors import RepositoryError
from promoter.git_program import ask, failure, lines, masked, run
from promoter.versions import History

TAGS = "refs/tags/"


def resolve(repository: Path, revision: str) -> str:
    """Return the full name of the commit that `revision` (a commit, a branch, `refs/…`) names, or raise RepositoryError."""
    answer = ask(repository, "rev-parse", "--verify", "--end-of-options", f"{_named(revision)}^{{commit}}")
    if answer.code == 0:
        return answer.stdout
    if "ambiguous" in answer.stderr:
        raise RepositoryError(
            f"{revision!r} names more than one object of {repository}", hint="Give all 40 digits of the commit."
        )
    if "Needed a single revision" not in answer.stderr:
        raise failure(repository, "rev-parse", answer)
    raise RepositoryError(
        f"{repository} has no commit {revision!r}",
        hint="Commit and push it first; what is only in a worktree is no commit.",
    )


def references(repository: Path) -> dict[str, str]:
    """Return reference (`refs/heads/main`) → commit of all there are, in one pass; git opens no object for a packed tag."""
    found: dict[str, str] = {}
    for line in lines(repository, "show-ref", "--dereference", nothing=1):
        commit, _, name = line.partition(" ")
        # An annotated tag is there twice, last (`^{}`) with its commit.
        found[name.removesuffix("^{}")] = commit
    return found


def tags(found: Mapping[str, str]) -> dict[str, str]:
    """Return tag → commit of the tags among references."""
    return {name.removeprefix(TAGS): commit for name, commit in found.items() if name.startswith(TAGS)}


def tagged(repository: Path, tag: str) -> str | None:
    """Return the commit that a tag of this repository names, None if there is no such tag."""
    answer = ask(repository, "rev-parse", "--verify", "--quiet", "--end-of-options", f"refs/tags/{tag}^{{commit}}")
    return answer.stdout if answer.code == 0 else None


def base_tag(
    repository: Path, main: str, *, known: Mapping[str, str] | None = None, besides: str | None = None
) -> str | None:
    """Return the last tag `vX.Y.Z` reachable from `main`, None if there is none.

    Tags that only look like versions are passed over. `known` are all tags, None reads them here; the tags of the commit `besides`
    don't count. The work grows with the distance to the tag. Raises RepositoryError for a shallow clone or if there is no `main`.
    """
    start = _main(repository, main)
    named = tags(references(repository)) if known is None else known
    found = _last_release(repository, start, named, besides) if named else None
    return None if found is None else f"v{found}"


def counted_commits(repository: Path, main: str, *commits: str) -> int:
    """Return the number of commits without merges between the merge-base with `main` and `commits`, each counted once.

    Raises RepositoryError where the two share no history.
    """
    lines = run(repository, "rev-list", "--parents", "--boundary", *commits, f"^{main}", "--").splitlines()
    ahead = [line for line in lines if not line.startswith("-")]
    if ahead and len(ahead) == len(lines):
        raise RepositoryError(
            f"{commits[0][:12]} and {main} share no history in {repository}",
            hint="A version counts the commits since main: merge main into the branch once.",
        )
    return sum(line.count(" ") < 2 for line in ahead)


def messages_since(repository: Path, base: str | None, *commits: str) -> tuple[str, ...]:
    """Return the messages of `commits` and those before since the tag `base` (None: since the beginning), without merges."""
    since = [f"^refs/tags/{base}"] if base else []
    text = run(repository, "log", "--no-merges", "--format=%B%x00", *commits, *since, "--")
    return tuple(message.strip() for message in text.split("\0") if message.strip())


def history(
    repository: Path, main: str, commit: str, base: str | None, *, messages: bool = False, onto: str | None = None
) -> History:
    """Return what the number of `commit` depends on, or that of its merge with `onto`; `messages` reads those since the base too.

    Raises RepositoryError where `commit` and `main` share no history.
    """
    commits = [commit] if onto is None else [commit, onto]
    number = counted_commits(repository, main, *commits)
    return History(base, number, messages_since(repository, base, *commits) if messages else ())


def merge_base(repository: Path, one: str, other: str) -> str:
    """Return the commit at which the histories of two commits part; raise RepositoryError where they share none."""
    answer = ask(repository, "merge-base", "--", one, other)
    if answer.code == 1:
        raise RepositoryError(
            f"{one[:12]} and {other[:12]} share no history in {repository}",
            hint="What is merged into a branch begins on it: start the change there.",
        )
    if answer.code != 0:
        raise failure(repository, "merge-base", answer)
    return answer.stdout


def is_ancestor(repository: Path, older: str, newer: str) -> bool:
    """Say whether `newer` contains `older`; a commit contains itself. Raises RepositoryError for an unknown commit."""
    answer = ask(repository, "merge-base", "--is-ancestor", "--", older, newer)
    if answer.code not in {0, 1}:
        raise failure(repository, "merge-base", answer)
    return answer.code == 0


def knows(repository: Path, commit: str) -> bool:
    """Say whether a commit is there, by its hash."""
    return ask(repository, "cat-file", "-e", f"{_named(commit)}^{{commit}}").code == 0


def commit_time(repository: Path, commit: str) -> datetime:
    """Return the committer's date of a commit, with its time zone."""
    return datetime.fromisoformat(run(repository, "show", "--no-patch", "--format=%cI", commit, "--"))


@contextmanager
def checkout(repository: Path, commit: str) -> Iterator[Path]:
    """Yield a clean working copy of one commit, without a .git, and remove it afterwards."""
    with scratch.folder("promoter-checkout") as folder:
        files = folder / "files"
        files.mkdir()
        index = {"GIT_INDEX_FILE": str(folder / "index"), "GIT_WORK_TREE": str(files)}
        run(repository, "read-tree", resolve(repository, commit), **index)
        run(repository, "checkout-index", "--all", "--quiet", f"--prefix={files}/", **index)
        yield files


def _last_release(repository: Path, start: str, named: Mapping[str, str], besides: str | None) -> semver.Version | None:
    """Walk back from `start` until nothing that comes later could be the last release."""
    releases: dict[str, list[str]] = {}
    for tag, commit in named.items():
        if commit != besides:
            releases.setdefault(commit, []).append(tag)
    with closing(lines(repository, "rev-list", "--parents", start, "--")) as walk:
        return versions.last_release(map(str.split, walk), releases)


def _main(repository: Path, main: str) -> str:
    """Return the commit of `main`; raise RepositoryError if there is none, or if its history is cut off."""
    answer = ask(repository, "rev-parse", "--is-shallow-repository", f"{_named(main)}^{{commit}}", "--")
    if answer.stdout.startswith("true"):
        raise RepositoryError(
            f"{repository} is a shallow clone: its history is cut off, and a version counts it",
            hint="`git fetch --unshallow`, or `fetch-depth: 0` in a workflow.",
        )
    if answer.code != 0 and not answer.stdout:
        raise failure(repository, "rev-parse", answer)
    if answer.code != 0:
        raise RepositoryError(
            f"{repository} has no {main}, and versions count from its tags",
            hint="Fetch it, or name the main branch with --main.",
        )
    return answer.stdout.splitlines()[1]


def _named(revision: str) -> str:
    """Return `revision` if it can be the name of a commit; raise RepositoryError for an option or a riddle."""
    if revision.startswith("-") or not revision.isprintable() or " " in revision or not revision:
        raise RepositoryError(f"{masked(revision)!r} is no name of a commit", hint="Name it by its hash.")
    return revision
