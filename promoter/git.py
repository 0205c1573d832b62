"""Questions to a git history, mirrors of remotes, working copies of one commit, and release tags."""

import fcntl
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from hashlib import blake2b
from pathlib import Path

import semver

from promoter import versions
from promoter.errors import ReleaseError, RepositoryError
from promoter.git_program import ask, failure, masked, run
from promoter.versions import History

FIRST_WALK = 64
"""Commits that the first look for the last release takes; each further look takes sixteen times as many."""
TAGS = "refs/tags/"
HEADS_AND_TAGS = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
NOWHERE = Path("/")
"""Where questions to a remote are asked: the answer depends on no repository."""


def mirror(url: str, cache: Path) -> Path:
    """Return a bare mirror of `url`, its branches and tags as new as the remote's are now; one per URL is kept in `cache`.

    Raises RepositoryError, transient where the remote does not answer.
    """
    source = _place(url)
    folder = cache / "mirrors" / blake2b(source.encode(), digest_size=12).hexdigest()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.is_dir():
            _fetch(source, folder)
        else:
            with tempfile.TemporaryDirectory(dir=folder.parent, prefix="unfinished-") as unfinished:
                fresh = Path(unfinished, "mirror")
                run(NOWHERE, "init", "--quiet", "--bare", "--template=", "--initial-branch=main", "--", str(fresh))
                _fetch(source, fresh)
                fresh.rename(folder)
    return folder


def head(url: str, branch: str) -> str:
    """Return the commit at the head of a remote's branch. Raises RepositoryError if there is none (transient: no answer)."""
    reference = f"refs/heads/{branch}"
    commit = _remote(url, reference).get(reference)
    if commit is None:
        raise RepositoryError(f"{masked(url)} has no branch {masked(branch)!r}", hint="Push it first.")
    return commit


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
    answer = ask(repository, "show-ref", "--dereference")
    if answer.code != 0 and answer.stderr:
        raise failure(repository, "show-ref", answer)
    # An annotated tag is there twice, last (`^{}`) with its commit.
    words = answer.stdout.replace("^{}", "").split()
    return dict(zip(words[1::2], words[::2], strict=True))


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


def counted_commits(repository: Path, main: str, commit: str) -> int:
    """Return the number of commits without merges between the merge-base with `main` and `commit`.

    Raises RepositoryError where the two share no history.
    """
    lines = run(repository, "rev-list", "--parents", "--boundary", commit, f"^{main}", "--").splitlines()
    ahead = [line for line in lines if not line.startswith("-")]
    if ahead and len(ahead) == len(lines):
        raise RepositoryError(
            f"{commit[:12]} and {main} share no history in {repository}",
            hint="A version counts the commits since main: merge main into the branch once.",
        )
    return sum(line.count(" ") < 2 for line in ahead)


def messages_since(repository: Path, base: str | None, commit: str) -> tuple[str, ...]:
    """Return the messages of the commits since the tag `base` (None: since the beginning), newest first, without merges."""
    since = [f"^refs/tags/{base}"] if base else []
    text = run(repository, "log", "--no-merges", "--format=%B%x00", commit, *since, "--")
    return tuple(message.strip() for message in text.split("\0") if message.strip())


def history(repository: Path, main: str, commit: str, base: str | None, *, messages: bool = False) -> History:
    """Return what the number of `commit` depends on; `messages` reads those since the base too.

    Raises RepositoryError where `commit` and `main` share no history.
    """
    commits = counted_commits(repository, main, commit)
    return History(base, commits, messages_since(repository, base, commit) if messages else ())


def is_ancestor(repository: Path, older: str, newer: str) -> bool:
    """Say whether `newer` contains `older`; a commit contains itself. Raises RepositoryError for an unknown commit."""
    answer = ask(repository, "merge-base", "--is-ancestor", "--", older, newer)
    if answer.code not in {0, 1}:
        raise failure(repository, "merge-base", answer)
    return answer.code == 0


def commit_time(repository: Path, commit: str) -> datetime:
    """Return the committer's date of a commit, with its time zone."""
    return datetime.fromisoformat(run(repository, "show", "--no-patch", "--format=%cI", commit, "--"))


def remote_tag(url: str, tag: str) -> str | None:
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
    there = remote_tag(url, tag)
    if there is None:
        identity = {"GIT_COMMITTER_NAME": name, "GIT_COMMITTER_EMAIL": email}
        _push_new_tag(repository, url, tag, commit, message=message, identity=identity)
    elif there != commit:
        raise _other_commit(tag, masked(url), there, commit)


@contextmanager
def checkout(repository: Path, commit: str) -> Iterator[Path]:
    """Yield a clean working copy of one commit, without a .git, and remove it afterwards."""
    with tempfile.TemporaryDirectory(prefix="promoter-checkout-") as folder:
        files = Path(folder, "files")
        files.mkdir()
        index = {"GIT_INDEX_FILE": str(Path(folder, "index")), "GIT_WORK_TREE": str(files)}
        run(repository, "read-tree", resolve(repository, commit), **index)
        run(repository, "checkout-index", "--all", "--quiet", f"--prefix={files}/", **index)
        yield files


def _push_new_tag(
    repository: Path, url: str, tag: str, commit: str, *, message: str, identity: Mapping[str, str]
) -> None:
    """Push an annotated tag, without force: whoever was faster keeps the name."""
    here = tagged(repository, tag)
    if here is None:
        run(
            repository, "tag", "--annotate", "--cleanup=verbatim", f"--message={message}", "--", tag, commit, **identity
        )
    elif here != commit:
        raise _other_commit(tag, str(repository), here, commit)
    reference = f"refs/tags/{tag}"
    answer = ask(repository, "push", "--quiet", "--", _place(url), f"{reference}:{reference}")
    if answer.code != 0 and (there := remote_tag(url, tag)) != commit:
        raise failure(repository, "push", answer) if there is None else _other_commit(tag, masked(url), there, commit)


def _other_commit(tag: str, where: str, there: str, commit: str) -> ReleaseError:
    return ReleaseError(
        f"tag {tag} exists in {where} for commit {there}, this is {commit}",
        hint="Tags never move. Find out who made it, and delete it if it is wrong.",
    )


def _last_release(repository: Path, start: str, named: Mapping[str, str], besides: str | None) -> semver.Version | None:
    """Walk back from `start` in growing steps until no longer walk could find another last release."""
    longest = FIRST_WALK
    while True:
        lines = run(repository, "rev-list", "--parents", f"--max-count={longest}", start, "--").splitlines()
        walk = [line.split(" ") for line in lines]
        met = {commit for commit, *_ in walk} - {besides}
        found, settled = versions.last_release(walk, [(commit, tag) for tag, commit in named.items() if commit in met])
        if settled or len(walk) < longest:
            return found
        longest *= 16


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


def _fetch(source: str, folder: Path) -> None:
    run(folder, "fetch", "--quiet", "--prune", "--no-tags", "--no-write-fetch-head", "--", source, *HEADS_AND_TAGS)


def _remote(url: str, *references: str) -> dict[str, str]:
    """Return reference → object of those that a remote has."""
    lines = run(NOWHERE, "ls-remote", "--quiet", "--", _place(url), *references).splitlines()
    return {name: commit for commit, _, name in (line.partition("\t") for line in lines)}


def _place(url: str) -> str:
    """Return a remote's URL; of a folder its full path, for git runs elsewhere."""
    folder = Path(url)
    return str(folder.resolve()) if "://" not in url and folder.exists() else url
