"""Questions to real git histories, and working copies."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from promoter import git, git_program
from promoter.errors import RepositoryError
from promoter.shell import run

MAIN = "refs/heads/main"


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


def test_history_behind_the_base_is_not_read(repository: Any) -> None:
    """What is lost there is not missed; where it is needed, that is an error."""
    lost = repository.commit()
    repository.commit()
    repository.commit()
    repository.tag("v1.0.0")
    for n in range(70):
        repository.commit(f"fix: {n}")
    (repository.path / ".git" / "objects" / lost[:2] / lost[2:]).unlink()

    assert git.base_tag(repository.path, MAIN) == "v1.0.0"
    repository.git("tag", "nightly")
    repository.git("tag", "--delete", "v1.0.0")
    with pytest.raises(RepositoryError, match="`git rev-list` failed"):
        git.base_tag(repository.path, MAIN)


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


def test_what_a_merge_would_bring_together_is_counted_once(repository: Any) -> None:
    """A merge that nobody made yet has the number that it gets when it is made."""
    repository.commit()
    repository.branch("dev")
    repository.commit("feat: a")
    repository.branch("feat/b")
    change = repository.commit("feat: b")
    repository.switch("dev")
    onto = repository.commit("fix: c")

    before = git.history(repository.path, MAIN, change, None, onto=onto, messages=True)
    merge = repository.merge("feat/b")

    assert before == git.history(repository.path, MAIN, merge, None, messages=True)
    assert before.commits == 3


def test_the_merge_base_is_where_two_histories_part(repository: Any) -> None:
    """Whatever came after it on either side; without one there is nothing to merge."""
    fork = repository.commit()
    repository.branch("feat/a")
    change = repository.commit()
    repository.switch("main")
    head = repository.commit()
    repository.git("switch", "--quiet", "--orphan", "other")
    stranger = repository.commit()

    assert git.merge_base(repository.path, change, head) == fork
    with pytest.raises(RepositoryError, match="share no history"):
        git.merge_base(repository.path, stranger, head)


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


def test_a_new_repository_has_no_references(repository: Any) -> None:
    """Which is no error."""
    assert git.references(repository.path) == {}


def test_without_git_nothing_can_be_asked(repository: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether an answer is wanted at once or line by line."""
    monkeypatch.setenv("PATH", str(tmp_path))

    for question in (git.references, lambda path: git.resolve(path, "HEAD")):
        with pytest.raises(RepositoryError, match="git is not installed"):
            question(repository.path)


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


def test_a_working_copy_holds_one_commit_and_goes(repository: Any, tmp_path: Path) -> None:
    """Without what was committed later, and without a .git."""
    commit = repository.commit(readme="hello")
    repository.commit(readme="changed", later="later")
    bare = tmp_path / "bare.git"
    repository.git("clone", "--quiet", "--bare", ".", str(bare))

    with git.checkout(bare, commit) as folder:
        seen = {path.name: path.read_text() for path in folder.iterdir()}

    assert seen == {"readme": "hello"}
    assert not folder.exists()


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
