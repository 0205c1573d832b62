"""The version rule, pure: from the history of a commit to its one number.

*base* is the last clean tag `vX.Y.Z` reachable from main. On main a release raises minor, patch, or what its Conventional Commits
ask for. Elsewhere the patch is raised by the commits since main, and the branch is the suffix. A number that another commit
holds is skipped.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import semver

from promoter.errors import VersionError
from promoter.records import Version

CLEAN = re.compile(r"v(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})", re.ASCII)
"""A clean tag; numbers of ten digits and more are no versions that anybody meant."""
BREAKING = re.compile(r"\A(?i:[a-z]+)(\([^)]*\))?!:|^BREAKING[ -]CHANGE: ", re.MULTILINE)
"""https://www.conventionalcommits.org/en/v1.0.0/#specification, items 11 to 16."""
FEATURE = re.compile(r"feat(\([^)]*\))?!?:", re.IGNORECASE)
NONE = semver.Version(0, 0, 0)
LONGEST_TAG = 128
"""The OCI distribution specification allows no longer tag."""

Raises = Literal["minor", "patch", "conventional"]


@dataclass(frozen=True)
class History:
    """What git knows of a commit, as far as its number needs it."""

    base: str | None
    """The last clean tag reachable from main, None before the first."""
    commits: int
    """Commits without merges between the merge-base with main and the commit."""
    messages: tuple[str, ...] = ()
    """Messages of the commits since the base; only the conventional rule reads them."""


def parse(tag: str) -> semver.Version | None:
    """Return the version of a clean tag `vX.Y.Z`; None for everything that only looks like one."""
    match = CLEAN.fullmatch(tag)
    return None if match is None else semver.Version(*map(int, match.groups()))


def suffix_of(branch: str, suffix: str | None) -> str:
    """Return what stands behind the number: `suffix` if it is given, else the last part of the branch name, made legal.

    Raises VersionError if nothing legal is left.
    """
    if suffix == "":
        return ""
    wanted = branch.rpartition("/")[2] if suffix is None else suffix
    legal = re.sub(r"[^0-9A-Za-z-]+", "-", wanted, flags=re.ASCII).strip("-")
    if not legal:
        raise VersionError(
            f"branch {branch!r} leaves nothing that a version could end in",
            hint="Give its [[branches]] rule a `suffix` of letters and digits.",
        )
    # A numeric identifier has no leading zero: https://semver.org/#spec-item-9
    return f"n{legal}" if legal.isdigit() and legal.startswith("0") and legal != "0" else legal


def last_release(walk: Iterable[Sequence[str]], tags: Mapping[str, Iterable[str]]) -> semver.Version | None:
    """Return the last release that a walk of history meets, None if it meets none; follow it no further than this takes.

    `walk` is each commit followed by its parents, newest first; `tags` are those of each commit. Where two lines of history each
    end in a release, the higher one is the last.
    """
    found: semver.Version | None = None
    hidden: set[str] = set()
    ahead: set[str] = set()
    for commit, *parents in walk:
        ahead.discard(commit)
        release = None if commit in hidden else _highest(tags.get(commit, ()))
        if release is not None:
            found = release if found is None else max(found, release)
        if release is not None or commit in hidden:
            hidden.update(parents)
            ahead.difference_update(parents)
        else:
            ahead.update(parent for parent in parents if parent not in hidden)
        if found is not None and not ahead:
            break
    return found


def number(
    history: History, *, branch: str, commit: str, suffix: str, raises: Raises, taken: Mapping[str, str]
) -> Version:
    """Return the version of `commit`; `taken` says which tag names which commit already.

    The same commit gets its number again; one that another commit holds is skipped. An empty `suffix` makes a release.
    Raises VersionError where no legal number is left.
    """
    return choose(propose(history, branch=branch, commit=commit, suffix=suffix, raises=raises), taken)


def propose(history: History, *, branch: str, commit: str, suffix: str, raises: Raises) -> Version:
    """Return what the rule says, whoever may hold the number already."""
    base = NONE if history.base is None else _base(history.base)
    wanted, reason = _release(base, history, raises) if suffix == "" else _candidate(base, history)
    tag = _tag(wanted, suffix)
    return Version(tag, tag.removeprefix("v"), f"v{base}", commit, branch, reason)


def choose(candidate: Version, taken: Mapping[str, str]) -> Version:
    """Return `candidate` with the number that is its commit's own: the one it holds, else the next that nobody does."""
    parsed = semver.Version.parse(candidate.version)
    suffix = parsed.prerelease or ""
    held = [version for tag, holder in taken.items() if holder == candidate.commit and (version := _bare(tag, suffix))]
    if held:
        tag = _tag(max(held), suffix)
        return replace(candidate, tag=tag, version=tag[1:], reason=f"this commit is {tag} already")
    free = parsed.finalize_version()
    while taken.get(_tag(free, suffix), candidate.commit) != candidate.commit:
        free = free.bump_patch()
    tag = _tag(free, suffix)
    skipped = "" if tag == candidate.tag else f"; {candidate.tag} names another commit"
    return replace(candidate, tag=tag, version=tag[1:], reason=candidate.reason + skipped)


def _highest(tags: Iterable[str]) -> semver.Version | None:
    return max(filter(None, map(parse, tags)), default=None)


def _base(tag: str) -> semver.Version:
    version = parse(tag)
    if version is None:
        raise VersionError(f"{tag!r} is no clean tag vX.Y.Z and can be no base")
    return version


def _release(base: semver.Version, history: History, raises: Raises) -> tuple[semver.Version, str]:
    if history.base is None:
        return semver.Version(1, 0, 0), "the first release: main has no tag vX.Y.Z yet"
    part = _conventional(history.messages) if raises == "conventional" else raises
    raised = {"major": base.bump_major, "minor": base.bump_minor, "patch": base.bump_patch}[part]()
    return raised, f"main raises {part} from v{base}" + (" (Conventional Commits)" if raises == "conventional" else "")


def _candidate(base: semver.Version, history: History) -> tuple[semver.Version, str]:
    commits = f"{history.commits} commit{'' if history.commits == 1 else 's'} since main"
    return base.replace(patch=base.patch + history.commits), f"v{base} and {commits}"


def _conventional(messages: Sequence[str]) -> Literal["major", "minor", "patch"]:
    if any(BREAKING.search(message) for message in messages):
        return "major"
    return "minor" if any(FEATURE.match(message) for message in messages) else "patch"


def _bare(tag: str, suffix: str) -> semver.Version | None:
    """Return the version of `tag` without `suffix`, None if it does not end in it."""
    if not suffix:
        return parse(tag)
    return parse(tag.removesuffix(f"-{suffix}")) if tag.endswith(f"-{suffix}") else None


def _tag(version: semver.Version, suffix: str) -> str:
    clean = f"v{version.finalize_version()}"
    tag = f"{clean}-{suffix}" if suffix else clean
    if CLEAN.fullmatch(clean) is None or len(tag) > LONGEST_TAG:
        raise VersionError(
            f"{tag} is no legal tag: numbers have up to 9 digits, a tag up to {LONGEST_TAG} characters",
            hint="Shorten the branch's name or its suffix.",
        )
    return tag
