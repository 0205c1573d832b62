"""The history of the sample service, in a real bare remote."""

from pathlib import Path

import pytest

from deployments.sandbox.remote import git
from deployments.sandbox.sample.repository import SampleRepository
from deployments.sandbox.sample.scenarios import Scenario


@pytest.fixture
def sample(tmp_path: Path) -> SampleRepository:
    """Return a new remote with its clone."""
    return SampleRepository.create(tmp_path / "remote.git", tmp_path / "clone")


def test_the_first_history_is_one_released_commit(sample: SampleRepository) -> None:
    """`main`, `test` and `dev` begin at `v1.0.2`."""
    first = said(sample.remote, "rev-parse", "v1.0.2^{commit}")

    assert said(sample.remote, "branch", "--format=%(refname:short) %(objectname)").splitlines() == [
        f"{branch} {first}" for branch in ("dev", "main", "test")
    ]
    assert said(sample.remote, "symbolic-ref", "HEAD") == "refs/heads/main"
    assert said(sample.remote, "cat-file", "-t", "v1.0.2") == "tag"


def test_creating_twice_is_creating_once(sample: SampleRepository) -> None:
    """What is there stays, commits that were not pushed too."""
    commit = sample.commit(Scenario.GOOD, "dev")

    again = SampleRepository.create(sample.remote, sample.folder)

    assert said(again.folder, "rev-parse", "dev") == commit


def test_a_lost_clone_is_made_again(sample: SampleRepository, tmp_path: Path) -> None:
    """The remote is enough."""
    commit = sample.commit(Scenario.GOOD, "dev")
    sample.push("dev")

    again = SampleRepository.create(sample.remote, tmp_path / "another")
    again.commit(Scenario.GOOD, "dev")

    assert said(again.folder, "rev-parse", "dev^") == commit


def test_a_commit_reaches_the_remote_with_its_push(sample: SampleRepository) -> None:
    """Not before, and with a fixed author and a Conventional message."""
    before = said(sample.remote, "rev-parse", "dev")
    commit = sample.commit(Scenario.HEALTH_500, "dev")
    unpushed = said(sample.remote, "rev-parse", "dev")
    sample.push("dev")

    assert unpushed == before
    assert said(sample.remote, "log", "-1", "--format=%H|%an|%ae|%s", "dev") == (
        f"{commit}|Sam Sample|sam@sample.example|feat: tell the age of the build"
    )


def test_a_new_branch_begins_at_dev(sample: SampleRepository) -> None:
    """A feature branch, merged as a pull request would be."""
    sample.commit(Scenario.GOOD, "dev")
    sample.push("dev")
    feature = sample.commit(Scenario.NEW_MIGRATION, "feat/colour")
    sample.push("feat/colour")
    merged = sample.merge("feat/colour", "dev")

    assert said(sample.remote, "rev-parse", "dev", "dev^2") == f"{merged}\n{feature}"
    assert said(sample.remote, "log", "-1", "--format=%s", "dev") == "Merge branch 'feat/colour' into dev"


def test_both_sides_of_a_merge_may_have_changed_a_line(sample: SampleRepository) -> None:
    """The source wins: what was tested there is what arrives."""
    sample.commit(Scenario.GOOD, "test")
    sample.push("test")
    sample.commit(Scenario.CRASH_AT_START, "dev")
    sample.merge("dev", "test")

    assert said(sample.remote, "show", "test:app/main.py") == said(sample.folder, "show", "dev:app/main.py")


def test_every_scenario_is_a_commit_of_its_own(sample: SampleRepository) -> None:
    """Any order, any number of times, in one history."""
    commits = [sample.commit(scenario, "dev") for scenario in [*Scenario, *Scenario]]
    sample.push("dev")

    assert len(set(commits)) == 2 * len(Scenario)
    assert said(sample.remote, "rev-list", "--count", "v1.0.2..dev") == str(len(commits))


def test_somebody_else_may_push_too(sample: SampleRepository, tmp_path: Path) -> None:
    """The next commit goes on top of theirs."""
    other = SampleRepository.create(sample.remote, tmp_path / "other")
    theirs = other.commit(Scenario.GOOD, "dev")
    other.push("dev")

    sample.commit(Scenario.GOOD, "dev")

    assert said(sample.folder, "rev-parse", "dev^") == theirs


def test_no_configuration_of_the_user_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a signing key nor variables that point to another repository."""
    configuration = tmp_path / "configuration"
    configuration.write_text("[commit]\n\tgpgsign = true\n[user]\n\tname = Somebody Else\n\tsigningkey = none\n")
    for name, value in {"GIT_CONFIG_GLOBAL": str(configuration), "GIT_DIR": "/nowhere", "GIT_AUTHOR_NAME": "X"}.items():
        monkeypatch.setenv(name, value)

    sample = SampleRepository.create(tmp_path / "remote.git", tmp_path / "clone")
    sample.commit(Scenario.GOOD, "dev")

    assert said(sample.folder, "log", "-1", "--format=%an %cn", "dev") == "Sam Sample Sam Sample"


def said(folder: Path, *arguments: str) -> str:
    """Return what git says in `folder`."""
    return git(folder, *arguments).stdout.strip()
