"""Mirrors of real remotes, their heads and release tags."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from promoter import git, remotes
from promoter.errors import ReleaseError, RepositoryError
from promoter.shell import run

MAIN = "refs/heads/main"


@pytest.fixture
def remote(repository: Any, tmp_path: Path) -> str:
    """Return a bare remote with one commit on main, which `repository` pushes to."""
    path = tmp_path / "remote.git"
    run(["git", "init", "--quiet", "--bare", "--initial-branch=main", path])
    repository.commit("feat: first", readme="hello")
    repository.git("remote", "add", "origin", str(path))
    repository.git("push", "--quiet", "origin", "main")
    return str(path)


def test_a_mirror_follows_its_remote(repository: Any, remote: str, tmp_path: Path) -> None:
    """New commits and tags come, deleted ones go, and there is one mirror per remote."""
    repository.git("push", "--quiet", "origin", "main:refs/heads/old", "main:refs/tags/v0.1.0")
    first = remotes.mirror(remote, tmp_path / "cache")
    commit = repository.commit()
    repository.git("push", "--quiet", "origin", "main", ":refs/heads/old", ":refs/tags/v0.1.0", "main:refs/tags/v1.0.0")

    second = remotes.mirror(remote, tmp_path / "cache")

    assert first == second
    assert git.references(second) == {MAIN: commit, "refs/tags/v1.0.0": commit}


def test_two_at_once_make_one_mirror(remote: str, tmp_path: Path) -> None:
    """The second waits for the first, and nothing unfinished is left."""
    with ThreadPoolExecutor(4) as threads:
        mirrors = set(threads.map(lambda _: remotes.mirror(remote, tmp_path / "cache"), range(4)))

    (mirror,) = mirrors
    assert sorted(mirror.parent.iterdir()) == [mirror, mirror.with_suffix(".lock")]


def test_a_remote_that_is_none_leaves_no_mirror(tmp_path: Path) -> None:
    """A later try starts from nothing."""
    with pytest.raises(RepositoryError):
        remotes.mirror(str(tmp_path / "nowhere.git"), tmp_path / "cache")

    assert [path.suffix for path in (tmp_path / "cache" / "mirrors").iterdir()] == [".lock"]


def test_the_head_of_a_branch_is_asked_of_the_remote(repository: Any, remote: str) -> None:
    """A branch that is not there is an error, and a pattern is no branch."""
    assert remotes.head(remote, "main") == git.resolve(repository.path, MAIN)
    for name in ("nothing", "*"):
        with pytest.raises(RepositoryError, match="has no branch"):
            remotes.head(remote, name)


def test_the_heads_of_all_branches_are_asked_at_once(repository: Any, remote: str) -> None:
    """Those with a slash as well; a tag is none."""
    commit = git.resolve(repository.path, MAIN)
    repository.git(
        "push", "--quiet", "origin", "main:refs/heads/cicd/x", "main:refs/tags/v1.0.0", "main:refs/pull/1/head"
    )

    assert remotes.heads(remote) == {"main": commit, "cicd/x": commit}


def test_a_release_tag_is_annotated_and_pushed_once(repository: Any, remote: str, tmp_path: Path) -> None:
    """There already for the same commit is done."""
    mirror = remotes.mirror(remote, tmp_path / "cache")
    commit = remotes.head(remote, "main")

    for _ in range(2):
        remotes.push_tag(mirror, remote, "v1.0.0", commit, "v1.0.0\n\n# kept", name="Releaser", email="r@localhost")

    shown = run(
        ["git", "-C", remote, "for-each-ref", "--format=%(objecttype) %(tagger) %(contents)", "refs/tags"]
    ).stdout
    assert shown.startswith("tag Releaser <r@localhost>")
    assert "# kept" in shown
    assert remotes.tagged(remote, "v1.0.0") == commit == git.resolve(repository.path, MAIN)


def test_a_tag_of_another_commit_is_never_moved(repository: Any, remote: str, tmp_path: Path) -> None:
    """Neither one that was there before, nor one that came meanwhile, nor one that is only here."""
    old = remotes.head(remote, "main")
    repository.git("push", "--quiet", "origin", "main:refs/tags/v1.0.0")
    new = repository.commit()
    repository.git("push", "--quiet", "origin", "main")
    mirror = remotes.mirror(remote, tmp_path / "cache")
    run(["git", "-C", mirror, "tag", "v2.0.0", old])

    for tag in ("v1.0.0", "v2.0.0"):
        with pytest.raises(ReleaseError, match=f"{tag} exists .* for commit {old}"):
            remotes.push_tag(mirror, remote, tag, new, "release")

    assert [remotes.tagged(remote, tag) for tag in ("v1.0.0", "v2.0.0")] == [old, None]


def test_whoever_pushed_a_tag_first_keeps_it(repository: Any, remote: str, tmp_path: Path) -> None:
    """A push that comes second is done if the commit is the same, and refused by the remote if not."""
    old = remotes.head(remote, "main")
    new = repository.commit()
    repository.git("push", "--quiet", "origin", "main")
    mirror = remotes.mirror(remote, tmp_path / "cache")
    repository.git("push", "--quiet", "origin", f"{old}:refs/tags/v1.0.0", f"{new}:refs/tags/v2.0.0")
    somebody = {"GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "b"}

    remotes._push_new_tag(mirror, remote, "v2.0.0", new, message="m", identity=somebody)
    with pytest.raises(ReleaseError, match=old):
        remotes._push_new_tag(mirror, remote, "v1.0.0", new, message="m", identity=somebody)


def test_nothing_of_a_repository_is_executed(repository: Any, remote: str, tmp_path: Path) -> None:
    """Hooks and a file-system monitor are code of a stranger."""
    script = tmp_path / "script"
    script.write_text(f"#!/bin/sh\ntouch {tmp_path / 'pwned'}\n")
    script.chmod(0o755)
    hooks = repository.path / ".git" / "hooks"
    hooks.mkdir(exist_ok=True)
    for hook in ("pre-push", "post-checkout", "reference-transaction", "post-index-change"):
        (hooks / hook).symlink_to(script)
    repository.git("config", "core.fsmonitor", str(script))
    (tmp_path / "pwned").unlink(missing_ok=True)

    commit = git.resolve(repository.path, MAIN)
    remotes.push_tag(repository.path, remote, "v1.0.0", commit, "release")
    with git.checkout(repository.path, commit):
        pass

    assert not (tmp_path / "pwned").exists()


def test_a_remote_that_is_a_command_is_refused(tmp_path: Path) -> None:
    """`ext::` remotes run what they name."""
    with pytest.raises(RepositoryError, match="not allowed"):
        remotes.head(f"ext::sh -c touch% {tmp_path / 'pwned'}", "main")

    assert not (tmp_path / "pwned").exists()


def test_a_remote_that_does_not_answer_may_answer_later() -> None:
    """The error is transient and shows no password."""
    with pytest.raises(RepositoryError) as raised:
        remotes.head("http://user:secret@127.0.0.1:1/a.git", "main")

    assert raised.value.transient
    assert "secret" not in str(raised.value)


def test_the_callers_own_git_variables_are_forgotten(
    repository: Any, remote: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Inside a hook they name the hook's repository."""
    commit = git.resolve(repository.path, MAIN)
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))

    assert git.references(remotes.mirror(remote, tmp_path / "cache")) == {MAIN: commit}


def test_without_git_no_remote_answers(remote: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says so, and not that the remote is at fault."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(RepositoryError, match="git is not installed"):
        remotes.head(remote, "main")
