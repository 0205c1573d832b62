"""What GitHub's webhooks say of pushes and pull requests, said of those of the sandbox's remote.

The shapes are those of https://docs.github.com/webhooks/webhook-events-and-payloads.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from deployments.sandbox.remote import git

NOTHING = "0" * 40
"""What git calls the head of a branch that is not there."""
HEADS = "refs/heads/"
MAIN = "main"
MOST = 20
"""Commits that a delivery tells of; GitHub stops too, at 2,048."""
SITE = "https://github.example"
FORMAT = "%H%x00%T%x00%cI%x00%an%x00%ae%x00%cn%x00%ce%x00%B"
KINDS = {"A": "added", "D": "removed"}
"""What became of a file, as git says it and as GitHub does; everything else was modified."""


@dataclass(frozen=True)
class Update:
    """One reference that a push moved, as git tells its hooks."""

    before: str
    after: str
    ref: str

    @classmethod
    def read(cls, line: str) -> Self:
        """Return the update of one line that a `post-receive` hook is told."""
        before, after, ref = line.rstrip("\n").split(" ", 2)
        return cls(before, after, ref)


def push(remote: Path, update: Update, repository: dict[str, Any], login: str) -> dict[str, Any]:
    """Return the payload of one reference that `login` moved in the bare repository `remote`; raise CommandError."""
    commits = [] if update.after == NOTHING else [_commit(remote, one, repository) for one in _new(remote, update)]
    head = None if update.after == NOTHING else _commit(remote, f"{update.after}^{{commit}}", repository)
    person = {"name": login, "email": f"{login}@users.noreply.github.example"}
    return {
        "ref": update.ref,
        "before": update.before,
        "after": update.after,
        "repository": repository | {"pushed_at": int(datetime.now(UTC).timestamp())},
        "pusher": person,
        "sender": account(login),
        "created": update.before == NOTHING,
        "deleted": update.after == NOTHING,
        "forced": NOTHING not in {update.before, update.after} and bool(_lost(remote, update)),
        "base_ref": None,
        "compare": f"{repository['html_url']}/compare/{update.before[:12]}...{update.after[:12]}",
        "commits": commits,
        "head_commit": head,
    }


@dataclass(frozen=True)
class Request:
    """A pull request."""

    number: int
    branch: str
    """Its own, in the repository or in a fork of it."""
    head: str
    target: str
    base: str
    """The commit at the head of `target`."""
    is_from_fork: bool = False


def pull_request(
    request: Request, action: str, repository: dict[str, Any], login: str, *, label: str | None = None
) -> dict[str, Any]:
    """Return the payload of what `login` did with a pull request; `label` is the one that was put on it just now."""
    owner = repository["owner"]["login"]
    fork = {**repository, "id": repository["id"] + 1, "full_name": f"{login}/{repository['name']}", "fork": True}
    source = fork if request.is_from_fork else repository
    url = f"{repository['html_url']}/pull/{request.number}"
    return {
        "action": action,
        "number": request.number,
        "pull_request": {
            "id": request.number,
            "number": request.number,
            "state": "open",
            "draft": False,
            "html_url": url,
            "title": f"Merge {request.branch}",
            "body": None,
            "user": account(login),
            "labels": [] if label is None else [{"name": label}],
            "head": {
                "label": f"{login}:{request.branch}",
                "ref": request.branch,
                "sha": request.head,
                "user": account(login),
                "repo": source,
            },
            "base": {
                "label": f"{owner}:{request.target}",
                "ref": request.target,
                "sha": request.base,
                "user": account(owner),
                "repo": repository,
            },
            "merged": False,
        },
        "repository": repository,
        "sender": account(login),
        **({} if label is None else {"label": {"id": 1, "name": label, "color": "ededed", "default": False}}),
    }


def repository(number: int, full_name: str) -> dict[str, Any]:
    """Return what every payload says of its repository."""
    owner, _, name = full_name.partition("/")
    url = f"{SITE}/{full_name}"
    return {
        "id": number,
        "name": name,
        "full_name": full_name,
        "private": True,
        "owner": account(owner),
        "html_url": url,
        "description": None,
        "fork": False,
        "url": url,
        "clone_url": f"{url}.git",
        "visibility": "private",
        "default_branch": MAIN,
        "master_branch": MAIN,
    }


def account(login: str) -> dict[str, Any]:
    """Return what a payload says of somebody."""
    return {"login": login, "id": 1, "type": "User", "html_url": f"{SITE}/{login}", "site_admin": False}


def _new(remote: Path, update: Update) -> list[str]:
    """Return the commits that a push brought, the oldest first: those that neither the branch nor, for a new one, main had."""
    known = MAIN if update.before == NOTHING else update.before
    words = ["rev-list", f"--max-count={MOST}", "--reverse", update.after, "--not", known]
    return git(remote, *words).stdout.split()


def _lost(remote: Path, update: Update) -> list[str]:
    """Return a commit that the branch had and has no more, if there is one."""
    return git(remote, "rev-list", "--max-count=1", update.before, "--not", update.after).stdout.split()


def _commit(remote: Path, commit: str, repository: dict[str, Any]) -> dict[str, Any]:
    told = git(remote, "show", "--no-patch", f"--format={FORMAT}", commit).stdout
    sha, tree, moment, author, author_email, committer, committer_email, message = told.split("\0", 7)
    return {
        "id": sha,
        "tree_id": tree,
        "distinct": True,
        "message": message.strip(),
        "timestamp": moment,
        "url": f"{repository['html_url']}/commit/{sha}",
        "author": {"name": author, "email": author_email},
        "committer": {"name": committer, "email": committer_email},
        **_files(remote, sha),
    }


def _files(remote: Path, commit: str) -> dict[str, list[str]]:
    """Return the files that a commit added, removed and modified; of a merge GitHub names none."""
    told = git(remote, "diff-tree", "--root", "-r", "-z", "--no-commit-id", "--name-status", commit).stdout
    words = told.split("\0")
    found: dict[str, list[str]] = {"added": [], "removed": [], "modified": []}
    for kind, name in zip(words[::2], words[1::2], strict=False):
        found[KINDS.get(kind, "modified")].append(name)
    return found
