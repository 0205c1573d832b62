"""What a stranger's history brings with it is text, wherever it goes: names of branches, files and people, and what they say."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from promoter import git, remotes, versions
from promoter.config import Service
from promoter.ledger import promotions
from promoter.ledger.connection import connect
from promoter.records import Push
from promoter.settings import Settings

BRANCHES = (
    "cicd/$(touch${IFS}pwned)",
    "cicd/`touch${IFS}pwned`",
    "cicd/;touch${IFS}pwned;",
    "cicd/--upload-pack=touch${IFS}pwned",
    "cicd/';DROP/TABLE/promotions;--",
    "cicd/{{7+7}}{%raw%}",
    "cicd/<img/src=x/onerror=alert(1)>",
    "cicd/%s%n{0}{branch}",
    "cicd/%2e%2e%2fetc%2fpasswd",
    "cicd/\u202egnp.exe",
)
"""Each is a name that git takes."""
FILES = ("-rf", "--help", "$(touch pwned)", "a\nb", "\x1b[31mred", "<b>", "{{7*7}}", "'; DROP TABLE x; --", "\udcff")
SAID = "\x1b]0;title\x07$(touch pwned) '; DROP TABLE promotions; -- {{7*7}} <script>alert(1)</script> [x](javascript:y)"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stay in a folder in which nothing appears by itself."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize("branch", BRANCHES)
def test_a_branch_is_a_name(
    repository: Any, settings: Settings, make_service: Callable[..., Service], here: Path, branch: str
) -> None:
    """git, the version and the ledger take it as it is; nobody runs, fills in or follows it."""
    repository.commit()
    repository.branch(branch)
    commit = repository.commit(SAID)
    rule = {"pattern": "cicd/*", "stages": ["version", "test", "build"]}
    service = make_service(repository=str(repository.path), branches=[rule])
    push = Push(repository=service.repository, branch=branch, commit=commit, base=None)

    with connect(settings) as ledger:
        accepted = promotions.accept(ledger, service, push)
        found = promotions.of_push(ledger, service.name, service.repository, branch, commit)

    assert remotes.head(service.repository, branch) == commit
    assert found == accepted
    assert accepted.push.branch == branch
    assert re.fullmatch(r"[0-9A-Za-z-]+", versions.suffix_of(branch, None))
    assert list(here.iterdir()) == []


def test_names_of_files_are_names(repository: Any, here: Path) -> None:
    """A working copy has each of them, and is all that there is."""
    commit = repository.commit(SAID, **dict.fromkeys(FILES, "x"))

    with git.checkout(repository.path, commit) as folder:
        assert {path.name for path in folder.iterdir()} == set(FILES)
        assert {path.resolve().parent for path in folder.iterdir()} == {folder.resolve()}
    assert list(here.iterdir()) == []


def test_people_and_what_they_say_are_text(repository: Any, tmp_path: Path, here: Path) -> None:
    """The version is raised by a message's first words alone, and a tag carries what it is told to carry."""
    repository.commit()
    repository.tag("v1.0.0")
    author = f"--author={SAID.replace('<', '(').replace('>', ')')} <a@b>"
    repository.git("commit", "--quiet", "--allow-empty", f"--message=fix: x\n\n{SAID}", author)
    commit = repository.git("rev-parse", "HEAD")
    mirror = remotes.mirror(str(repository.path), tmp_path)

    remotes.push_tag(mirror, str(repository.path), "v1.0.1", commit, SAID)

    assert versions._conventional(git.messages_since(mirror, "v1.0.0", commit)) == "patch"
    assert remotes.tagged(str(repository.path), "v1.0.1") == commit
    assert repository.git("tag", "--list", "--format=%(contents)", "v1.0.1") == SAID
    assert list(here.iterdir()) == []
