"""A working clone of the sandbox's remote: commits scenarios, merges as a pull request would, pushes."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from deployments.sandbox import remote as bare
from deployments.sandbox.sample.scenarios import Scenario, play
from deployments.sandbox.sample.tree import read, template, write

FIRST_TAG = "v1.0.2"
BRANCHES = ("main", "test", "dev")
"""The branches of the first commit."""
START = "dev"
"""Where a branch begins that is not there yet."""


@dataclass(frozen=True)
class SampleRepository:
    """The only writer of the branches that it touches; all its calls raise CommandError where git refuses."""

    remote: Path
    """The bare repository."""
    folder: Path
    """The working clone."""

    @classmethod
    def create(cls, remote: Path, folder: Path) -> Self:
        """Make the remote, its first history and the clone; what is there already is kept.

        The first history is one commit on `main`, `test` and `dev`, released as `v1.0.2`.
        """
        sample = cls(bare.create(remote.absolute()), folder.absolute())
        if not sample._has_history():
            sample._begin()
        elif not (folder / ".git").is_dir():
            sample._git_clone()
        return sample

    def commit(self, scenario: Scenario, branch: str) -> str:
        """Commit `scenario` on `branch`, which begins at `dev` if it is new, and return the commit; push it with `push`."""
        self._switch(branch)
        change = play(scenario, read(self.folder), self._next_number())
        write(change.files, self.folder)
        self._git("add", "--all")
        self._git("commit", "--quiet", "--message", change.message)
        return self._head()

    def push(self, branch: str) -> None:
        """Push `branch`."""
        self._git("push", "--quiet", "origin", f"refs/heads/{branch}")

    def merge(self, source: str, into: str) -> str:
        """Merge `source` into `into` with a commit of its own, push it, and return it; where both changed a line, `source` wins."""
        for branch in (source, into):
            self._switch(branch)
        message = f"Merge branch '{source}' into {into}"
        self._git(
            "merge", "--quiet", "--no-ff", "--strategy-option=theirs", "--message", message, f"refs/heads/{source}"
        )
        self.push(into)
        return self._head()

    def _has_history(self) -> bool:
        return bool(self._git_in(self.remote, "for-each-ref", "refs/heads/main"))

    def _begin(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        write(template(), self.folder)
        self._git("init", "--quiet", "--template=", "--initial-branch=main")
        self._git("remote", "add", "origin", str(self.remote))
        self._git("add", "--all")
        self._git("commit", "--quiet", "--message", "feat: keep short notes")
        self._git("tag", "--annotate", "--message", FIRST_TAG, FIRST_TAG)
        for branch in BRANCHES[1:]:
            self._git("branch", branch)
        self._git("push", "--quiet", "--atomic", "origin", *BRANCHES, FIRST_TAG)

    def _git_clone(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        self._git_in(self.remote, "clone", "--quiet", "--template=", str(self.remote), str(self.folder))

    def _switch(self, branch: str) -> None:
        """Check `branch` out as the remote has it, with what was committed here since."""
        self._git("fetch", "--quiet", "--tags", "origin")
        known = self._git("for-each-ref", "--format=%(refname)").splitlines()
        if f"refs/heads/{branch}" in known:
            self._git("switch", "--quiet", branch)
        elif f"refs/remotes/origin/{branch}" in known:
            self._git("switch", "--quiet", "--create", branch, f"origin/{branch}")
        else:
            self._switch(START)
            self._git("switch", "--quiet", "--create", branch)
        if f"refs/remotes/origin/{branch}" in known:
            self._git("merge", "--quiet", "--ff-only", f"refs/remotes/origin/{branch}")

    def _next_number(self) -> int:
        return int(self._git("rev-list", "--count", "--all")) + 1

    def _head(self) -> str:
        return self._git("rev-parse", "HEAD")

    def _git(self, *arguments: str) -> str:
        return self._git_in(self.folder, *arguments)

    @staticmethod
    def _git_in(folder: Path, *arguments: str) -> str:
        return bare.git(folder, *arguments).stdout.strip()
