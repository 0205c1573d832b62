"""Questions to real git histories, mirrors, working copies and release tags."""

import os
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from promoter import git, git_program
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


def test_the_base_is_the_last_clean_tag_of_main(repository: Any) -> None:
    """Tags of other branches and tags that only look like versions are passed over."""
    repository.commit()
    repository.tag("v1.0.0")
    for odd in ("v1.0", "v01.0.0", "v1.0.5-rc.1", "v999999999999.0.0", "1.0.5", "v1.0.0;id"):
        repository.commit()
        repository.tag(odd)
    repository.branch("test")
    repository.commit()
    repository.tag("v7.0.0")

    assert git.base_tag(repository.path, MAIN) == "v1.0.0"


@pytest.mark.parametrize("annotated", [True, False], ids=["annotated", "lightweight"])
@pytest.mark.parametrize("packed", [True, False], ids=["packed", "loose"])
def test_the_base_is_found_however_tags_are_kept(repository: Any, *, annotated: bool, packed: bool) -> None:
    """The higher one of two on a commit, compared as versions."""
    repository.commit()
    for name in ("v1.9.0", "v1.10.0"):
        repository.tag(name, annotated=annotated)
    if packed:
        repository.git("pack-refs", "--all")

    assert git.base_tag(repository.path, MAIN) == "v1.10.0"


def test_the_base_is_found_behind_many_commits(repository: Any) -> None:
    """The walk grows until nothing else can come."""
    repository.commit()
    repository.tag("v1.0.0")
    for n in range(git.FIRST_WALK + 5):
        repository.commit(f"fix: {n}")

    assert git.base_tag(repository.path, MAIN) == "v1.0.0"


def test_without_a_clean_tag_there_is_no_base(repository: Any) -> None:
    """Neither without tags nor with tags of others only."""
    repository.commit()
    before = git.base_tag(repository.path, MAIN)
    repository.tag("nightly")

    assert (before, git.base_tag(repository.path, MAIN)) == (None, None)


def test_the_tags_of_a_commit_can_be_left_out(repository: Any) -> None:
    """What a released commit counted from is asked as it was before its release."""
    repository.commit()
    repository.tag("v1.0.0")
    released = repository.commit()
    repository.tag("v1.1.0")

    assert git.base_tag(repository.path, MAIN, besides=released) == "v1.0.0"


def test_commits_are_counted_from_the_merge_base_and_without_merges(repository: Any) -> None:
    """Main may have moved on meanwhile."""
    repository.commit()
    repository.branch("test")
    repository.commit()
    repository.branch("feat/a")
    repository.commit()
    repository.switch("main")
    repository.commit()
    repository.switch("test")
    head = repository.merge("feat/a")

    assert git.counted_commits(repository.path, MAIN, head) == 2


def test_messages_are_those_since_the_base(repository: Any) -> None:
    """Whole messages, footers included, newest first."""
    repository.commit("feat: old")
    repository.tag("v1.0.0")
    repository.commit("fix: a\n\nBREAKING CHANGE: b")
    head = repository.commit("feat: c")

    assert git.messages_since(repository.path, "v1.0.0", head) == ("feat: c", "fix: a\n\nBREAKING CHANGE: b")


def test_histories_that_never_met_are_refused(repository: Any) -> None:
    """There is nothing to count from."""
    repository.commit()
    repository.git("switch", "--quiet", "--orphan", "other")
    head = repository.commit()

    with pytest.raises(RepositoryError, match="share no history"):
        git.counted_commits(repository.path, MAIN, head)


def test_a_shallow_clone_is_refused_with_the_way_out(repository: Any, tmp_path: Path) -> None:
    """A version counts history, so all of it must be there."""
    repository.commit()
    repository.commit()
    shallow = tmp_path / "shallow"
    run(["git", "clone", "--quiet", "--depth=1", f"file://{repository.path}", shallow])

    with pytest.raises(RepositoryError, match="git fetch --unshallow"):
        git.base_tag(shallow, MAIN)


def test_a_missing_main_is_named(repository: Any) -> None:
    """Its name may be another one."""
    repository.commit()
    repository.git("branch", "--move", "trunk")

    with pytest.raises(RepositoryError, match=r"has no refs/heads/main[\s\S]*--main"):
        git.base_tag(repository.path, MAIN)


def test_a_folder_in_a_repository_is_no_repository(repository: Any) -> None:
    """Git would climb up and answer for the folder around it."""
    inner = repository.path / "inner"
    inner.mkdir()

    with pytest.raises(RepositoryError, match="is no git repository"):
        git.resolve(inner, "HEAD")


def test_a_folder_that_is_not_there_is_no_repository(tmp_path: Path) -> None:
    """Nor is anything asked of the folder we happen to stand in."""
    with pytest.raises(RepositoryError, match="no such folder"):
        git.resolve(tmp_path / "nowhere", "HEAD")


def test_a_commit_is_named_in_full(repository: Any) -> None:
    """By its head, its beginning, its tag and its branch; also with a detached head."""
    commit = repository.commit()
    repository.tag("v1.0.0")
    repository.git("checkout", "--quiet", "--detach")

    names = (commit, commit[:10], "v1.0.0", MAIN, "HEAD")

    assert {git.resolve(repository.path, name) for name in names} == {commit}


@pytest.mark.parametrize("name", ["f" * 40, "nothing", "refs/heads/nothing", "HEAD^{tree}"])
def test_an_unknown_commit_is_an_error(repository: Any, name: str) -> None:
    """Also one that has the form of a hash."""
    repository.commit()

    with pytest.raises(RepositoryError, match=r"has no commit|failed"):
        git.resolve(repository.path, name)


@pytest.mark.parametrize("name", ["--upload-pack=touch pwned", "-h", "--all", "a b", "", "main\n"])
def test_an_option_is_no_commit(repository: Any, name: str) -> None:
    """It is refused before git sees it."""
    repository.commit()

    with pytest.raises(RepositoryError, match="no name of a commit"):
        git.resolve(repository.path, name)


def test_an_ambiguous_name_is_an_error(repository: Any) -> None:
    """The way out is the whole hash."""
    for n in range(40):
        repository.commit(f"fix: {n}")
    hashes = repository.git("rev-list", "--objects", "--no-object-names", "--all").splitlines()
    beginnings = [name[:4] for name in hashes]
    for n in range(4000):
        if len(set(beginnings)) < len(beginnings):
            break
        beginnings.append(repository.git("commit-tree", "HEAD^{tree}", "-m", str(n))[:4])
    double = next(name for name in beginnings if beginnings.count(name) > 1)

    with pytest.raises(RepositoryError, match="40 digits"):
        git.resolve(repository.path, double)


def test_ancestry_decides_what_is_newer(repository: Any) -> None:
    """A commit contains itself and what came before it."""
    older, newer = repository.commit(), repository.commit()
    path = repository.path

    answers = [git.is_ancestor(path, *pair) for pair in ((older, newer), (newer, older), (older, older))]

    assert answers == [True, False, True]


def test_ancestry_of_an_unknown_commit_is_an_error(repository: Any) -> None:
    """It is not "no"."""
    with pytest.raises(RepositoryError):
        git.is_ancestor(repository.path, repository.commit(), "f" * 40)


def test_the_time_of_a_commit_has_its_zone(repository: Any) -> None:
    """As the committer's clock said."""
    commit = repository.commit()

    assert git.commit_time(repository.path, commit) == datetime.fromtimestamp(
        int(repository.git("show", "--no-patch", "--format=%ct", commit)), UTC
    )


def test_a_mirror_follows_its_remote(repository: Any, remote: str, tmp_path: Path) -> None:
    """New commits and tags come, deleted ones go, and there is one mirror per remote."""
    repository.git("push", "--quiet", "origin", "main:refs/heads/old", "main:refs/tags/v0.1.0")
    first = git.mirror(remote, tmp_path / "cache")
    commit = repository.commit()
    repository.git("push", "--quiet", "origin", "main", ":refs/heads/old", ":refs/tags/v0.1.0", "main:refs/tags/v1.0.0")

    second = git.mirror(remote, tmp_path / "cache")

    assert first == second
    assert git.references(second) == {MAIN: commit, "refs/tags/v1.0.0": commit}


def test_two_at_once_make_one_mirror(remote: str, tmp_path: Path) -> None:
    """The second waits for the first, and nothing unfinished is left."""
    with ThreadPoolExecutor(4) as threads:
        mirrors = set(threads.map(lambda _: git.mirror(remote, tmp_path / "cache"), range(4)))

    (mirror,) = mirrors
    assert sorted(mirror.parent.iterdir()) == [mirror, mirror.with_suffix(".lock")]


def test_a_remote_that_is_none_leaves_no_mirror(tmp_path: Path) -> None:
    """A later try starts from nothing."""
    with pytest.raises(RepositoryError):
        git.mirror(str(tmp_path / "nowhere.git"), tmp_path / "cache")

    assert [path.suffix for path in (tmp_path / "cache" / "mirrors").iterdir()] == [".lock"]


def test_the_head_of_a_branch_is_asked_of_the_remote(repository: Any, remote: str) -> None:
    """A branch that is not there is an error, and a pattern is no branch."""
    assert git.head(remote, "main") == git.resolve(repository.path, MAIN)
    for name in ("nothing", "*"):
        with pytest.raises(RepositoryError, match="has no branch"):
            git.head(remote, name)


def test_a_release_tag_is_annotated_and_pushed_once(repository: Any, remote: str, tmp_path: Path) -> None:
    """There already for the same commit is done."""
    mirror = git.mirror(remote, tmp_path / "cache")
    commit = git.head(remote, "main")

    for _ in range(2):
        git.push_tag(mirror, remote, "v1.0.0", commit, "v1.0.0\n\n# kept", name="Releaser", email="r@localhost")

    shown = run(
        ["git", "-C", remote, "for-each-ref", "--format=%(objecttype) %(tagger) %(contents)", "refs/tags"]
    ).stdout
    assert shown.startswith("tag Releaser <r@localhost>")
    assert "# kept" in shown
    assert git.remote_tag(remote, "v1.0.0") == commit == git.resolve(repository.path, MAIN)


def test_a_tag_of_another_commit_is_never_moved(repository: Any, remote: str, tmp_path: Path) -> None:
    """Neither one that was there before, nor one that came meanwhile, nor one that is only here."""
    old = git.head(remote, "main")
    repository.git("push", "--quiet", "origin", "main:refs/tags/v1.0.0")
    new = repository.commit()
    repository.git("push", "--quiet", "origin", "main")
    mirror = git.mirror(remote, tmp_path / "cache")
    run(["git", "-C", mirror, "tag", "v2.0.0", old])

    for tag in ("v1.0.0", "v2.0.0"):
        with pytest.raises(ReleaseError, match=f"{tag} exists .* for commit {old}"):
            git.push_tag(mirror, remote, tag, new, "release")

    assert [git.remote_tag(remote, tag) for tag in ("v1.0.0", "v2.0.0")] == [old, None]


def test_whoever_pushed_a_tag_first_keeps_it(repository: Any, remote: str, tmp_path: Path) -> None:
    """A push that comes second is done if the commit is the same, and refused by the remote if not."""
    old = git.head(remote, "main")
    new = repository.commit()
    repository.git("push", "--quiet", "origin", "main")
    mirror = git.mirror(remote, tmp_path / "cache")
    repository.git("push", "--quiet", "origin", f"{old}:refs/tags/v1.0.0", f"{new}:refs/tags/v2.0.0")
    somebody = {"GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "b"}

    git._push_new_tag(mirror, remote, "v2.0.0", new, message="m", identity=somebody)
    with pytest.raises(ReleaseError, match=old):
        git._push_new_tag(mirror, remote, "v1.0.0", new, message="m", identity=somebody)


def test_a_working_copy_holds_one_commit_and_goes(repository: Any, remote: str, tmp_path: Path) -> None:
    """Without what was committed later, and without a .git."""
    commit = git.head(remote, "main")
    repository.commit(readme="changed", later="later")
    repository.git("push", "--quiet", "origin", "main")
    mirror = git.mirror(remote, tmp_path / "cache")

    with git.checkout(mirror, commit) as folder:
        seen = {path.name: path.read_text() for path in folder.iterdir()}

    assert seen == {"readme": "hello"}
    assert not folder.exists()


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
    git.push_tag(repository.path, remote, "v1.0.0", commit, "release")
    with git.checkout(repository.path, commit):
        pass

    assert not (tmp_path / "pwned").exists()


def test_a_remote_that_is_a_command_is_refused(tmp_path: Path) -> None:
    """`ext::` remotes run what they name."""
    with pytest.raises(RepositoryError, match="not allowed"):
        git.head(f"ext::sh -c touch% {tmp_path / 'pwned'}", "main")

    assert not (tmp_path / "pwned").exists()


def test_the_callers_own_git_variables_are_forgotten(
    repository: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Inside a hook they name the hook's repository."""
    commit = repository.commit()
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "index"))

    assert git.resolve(repository.path, "HEAD") == commit
    assert os.environ["GIT_DIR"] == str(tmp_path / "elsewhere")


def test_no_password_is_shown() -> None:
    """A token may stand where a user does."""
    text = "fatal: unable to access 'https://token@git.example/a': and https://user:pa:ss@git.example/b"

    assert git_program.masked(text) == (
        "fatal: unable to access 'https://***@git.example/a': and https://***@git.example/b"
    )


def test_a_remote_that_does_not_answer_may_answer_later() -> None:
    """The error is transient and shows no password."""
    with pytest.raises(RepositoryError) as raised:
        git.head("http://user:secret@127.0.0.1:1/a.git", "main")

    assert raised.value.transient
    assert "secret" not in str(raised.value)
