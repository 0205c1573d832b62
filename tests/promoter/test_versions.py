"""The version rule."""

import re
from dataclasses import replace

import pytest
import semver
from hypothesis import given
from hypothesis import strategies as st

from promoter import versions
from promoter.errors import VersionError
from promoter.records import Version
from promoter.versions import History, Raises

COMMIT = "c" * 40
OTHER = "d" * 40
numbers = st.integers(0, 99_999)
clean = st.builds(semver.Version, numbers, numbers, numbers)
commits = st.text("0123456789abcdef", min_size=40, max_size=40)
branches = st.from_regex(r"[a-z0-9._/-]{0,20}[a-zA-Z0-9][a-zA-Z0-9_.#+-]{0,20}", fullmatch=True)


def propose(
    base: str | None, counted: int = 0, *messages: str, suffix: str = "", raises: Raises = "minor", branch: str = "main"
) -> Version:
    """Return what the rule says for one commit."""
    return versions.propose(
        History(base, counted, messages), branch=branch, commit=COMMIT, suffix=suffix, raises=raises
    )


def test_main_raises_the_minor_of_its_last_release() -> None:
    """The practice of today: v1.4.0 → v1.5.0."""
    assert propose("v1.4.0") == Version(
        tag="v1.5.0",
        version="1.5.0",
        base="v1.4.0",
        commit=COMMIT,
        branch="main",
        reason="main raises minor from v1.4.0",
    )


def test_another_branch_counts_its_commits_and_carries_its_name() -> None:
    """The patch is raised by the commits since main."""
    assert propose("v1.0.0", 3, suffix="test", branch="test") == Version(
        tag="v1.0.3-test",
        version="1.0.3-test",
        base="v1.0.0",
        commit=COMMIT,
        branch="test",
        reason="v1.0.0 and 3 commits since main",
    )


def test_before_the_first_release_main_makes_1_0_0_and_branches_count_from_0_0_0() -> None:
    """No tag is needed to begin."""
    assert (propose(None).tag, propose(None, 1, suffix="dev").tag) == ("v1.0.0", "v0.0.1-dev")


@pytest.mark.parametrize(
    ("messages", "tag"),
    [
        pytest.param(["fix: a"], "v1.4.3", id="a fix raises the patch"),
        pytest.param(["docs: a", "feat: b"], "v1.5.0", id="a feature raises the minor"),
        pytest.param(["feat(api)!: a", "fix: b"], "v2.0.0", id="an exclamation mark raises the major"),
        pytest.param(["fix: a\n\nBREAKING CHANGE: b"], "v2.0.0", id="a footer raises the major"),
        pytest.param(["fix: a\n\nBREAKING-CHANGE: b"], "v2.0.0", id="so does its other spelling"),
        pytest.param(["fix: a\n\nno breaking change: b"], "v1.4.3", id="prose is no footer"),
        pytest.param(["fix: feat: a"], "v1.4.3", id="only the beginning of a message counts"),
        pytest.param(["feature: a"], "v1.4.3", id="a feature is spelt feat"),
        pytest.param(["something"], "v1.4.3", id="an unconventional message raises the patch"),
        pytest.param([], "v1.4.3", id="no message raises the patch"),
    ],
)
def test_conventional_commits_say_what_main_raises(messages: list[str], tag: str) -> None:
    """Breaking → major, feat → minor, everything else → patch."""
    assert propose("v1.4.2", 0, *messages, raises="conventional").tag == tag


def test_main_can_raise_the_patch() -> None:
    """v1.0.4 → v1.0.5."""
    assert propose("v1.0.4", raises="patch").tag == "v1.0.5"


@pytest.mark.parametrize(
    "tag",
    [
        "v1.0",
        "v01.0.0",
        "v1.0.5-rc.1",
        "v999999999999.0.0",
        "1.0.5",
        "v1.0.0;id",
        "v1.0.0\n",
        "v1.0.0.0",
        "v\u0661.0.0",
        "",
        "V1.0.0",
    ],
)
def test_what_only_looks_like_a_version_is_none(tag: str) -> None:
    """Such tags are data: they are no base, and nobody runs them."""
    assert versions.parse(tag) is None
    with pytest.raises(VersionError, match="can be no base"):
        propose(tag)


@pytest.mark.parametrize(
    ("branch", "suffix"),
    [
        ("test", "test"),
        ("cicd/blue-green", "blue-green"),
        ("feat/Größe", "Gr-e"),
        ("fix/1.2.3", "1-2-3"),
        ("fix/007", "n007"),
        ("fix/0", "0"),
        ("feat/$(id)", "id"),
        ("feat/--x--", "x"),
    ],
)
def test_the_suffix_is_the_last_part_of_the_branch_made_legal(branch: str, suffix: str) -> None:
    """A branch may be called almost anything, an image tag may not."""
    assert versions.suffix_of(branch, None) == suffix


def test_the_configured_suffix_wins() -> None:
    """An empty one makes a clean version."""
    assert (versions.suffix_of("test", "rc"), versions.suffix_of("main", "")) == ("rc", "")


def test_a_branch_without_a_legal_letter_has_no_version() -> None:
    """The error says what to do."""
    with pytest.raises(VersionError, match="suffix"):
        versions.suffix_of("feat/äöü", None)


def test_a_tag_longer_than_a_registry_takes_is_refused() -> None:
    """128 characters is the limit of the OCI distribution specification."""
    with pytest.raises(VersionError, match="no legal tag"):
        propose("v1.0.0", 1, suffix="x" * 128)


def test_a_number_does_not_grow_beyond_what_is_read_back() -> None:
    """A release that would not be the base of the next one is not made."""
    with pytest.raises(VersionError, match="no legal tag"):
        propose("v1.999999999.0")


def test_a_number_of_another_commit_is_skipped() -> None:
    """Two commits never share one, also after a failure."""
    taken = {"v1.0.3-test": OTHER, "v1.0.4-test": OTHER}

    version = versions.choose(propose("v1.0.0", 3, suffix="test"), taken)

    assert (version.tag, version.version) == ("v1.0.5-test", "1.0.5-test")
    assert version.reason == "v1.0.0 and 3 commits since main; v1.0.3-test names another commit"


def test_the_same_commit_gets_its_number_again() -> None:
    """Also when history would say another one by now."""
    taken = {"v1.0.9-test": COMMIT, "v1.0.3-test": OTHER, "v2.0.0": COMMIT, "v1.0.9-dev": COMMIT}

    version = versions.choose(propose("v1.1.0", 3, suffix="test"), taken)

    assert (version.tag, version.reason) == ("v1.0.9-test", "this commit is v1.0.9-test already")


def test_the_number_of_a_staging_build_is_no_release() -> None:
    """A commit that is v1.0.3-test still gets a clean number on main."""
    assert versions.choose(propose("v1.0.0"), {"v1.0.3-test": COMMIT}).tag == "v1.1.0"


def test_the_last_release_is_the_nearest_on_a_line() -> None:
    """Older ones behind it don't count, whatever their number."""
    walk = [["c", "b"], ["b", "a"], ["a"]]

    assert versions.last_release(walk, {"b": ["v1.0.0"], "a": ["v9.0.0"]}) == semver.Version(1, 0, 0)


def test_where_two_lines_meet_the_higher_release_is_the_last() -> None:
    """A hotfix of an old release that is merged back does not turn the numbers back."""
    walk = [["merge", "b", "x"], ["x", "a"], ["b", "a"], ["a"]]

    found = versions.last_release(walk, {"x": ["v1.3.1"], "b": ["v1.4.0"], "a": ["v1.3.0"]})

    assert found == semver.Version(1, 4, 0)


def test_history_is_walked_no_further_than_the_last_release() -> None:
    """A line that is still open may end in a higher one; behind it nothing counts."""
    walk = iter([["merge", "b", "x"], ["b", "a"], ["x", "a"], ["a"]])

    assert versions.last_release(walk, {"b": ["v1.4.0"], "x": ["v1.5.0"]}) == semver.Version(1, 5, 0)
    assert list(walk) == [["a"]]


def test_of_two_tags_on_a_commit_the_higher_one_counts() -> None:
    """Compared as versions, not as text."""
    assert versions.last_release([["a"]], {"a": ["v1.10.0", "v1.9.0", "v2.0"]}) == semver.Version(1, 10, 0)


@given(base=clean, counted=st.integers(0, 10_000), branch=branches)
def test_every_number_is_legal_everywhere(base: semver.Version, counted: int, branch: str) -> None:
    """As a semantic version, as an image tag, and as a git reference."""
    suffix = versions.suffix_of(branch, None)

    tag = propose(f"v{base}", counted, suffix=suffix, branch=branch).tag

    assert semver.Version.is_valid(tag.removeprefix("v"))
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}", tag)
    assert not re.search(r"\.\.|@\{|[\s~^:?*\[\\]|\.lock$|\.$|/", tag)


@given(base=clean, raises=st.sampled_from(["minor", "patch", "conventional"]), message=st.text())
def test_a_release_is_higher_than_the_last(base: semver.Version, raises: Raises, message: str) -> None:
    """Whatever main raises, and whatever somebody wrote in a message."""
    released = versions.parse(propose(f"v{base}", 0, message, raises=raises).tag)

    assert released is not None
    assert released > base


@given(base=clean, counted=st.integers(0, 1000), more=st.integers(1, 1000))
def test_more_commits_make_a_higher_number(base: semver.Version, counted: int, more: int) -> None:
    """On one branch numbers only grow."""
    one, two = (propose(f"v{base}", n, suffix="dev").version for n in (counted, counted + more))

    assert semver.Version.parse(one) < semver.Version.parse(two)


@given(
    pushes=st.lists(st.tuples(commits, st.integers(0, 3), st.sampled_from(["test", "dev", ""])), max_size=30),
    base=st.none() | clean.map("v{}".format),
)
def test_a_number_names_one_commit_and_a_commit_keeps_its_number(
    pushes: list[tuple[str, int, str]], base: str | None
) -> None:
    """However often histories say the same number, and in whatever order pushes come."""
    taken: dict[str, str] = {}
    given_to: dict[tuple[str, str], str] = {}
    for commit, counted, suffix in pushes:
        candidate = replace(propose(base, counted, suffix=suffix), commit=commit)
        tag = versions.choose(candidate, taken).tag

        assert taken.setdefault(tag, commit) == commit
        assert given_to.setdefault((commit, suffix), tag) == tag
