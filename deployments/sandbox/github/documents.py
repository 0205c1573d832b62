"""The documents of GitHub's REST API, https://docs.github.com/rest, less what nobody of us reads."""

from datetime import UTC, datetime
from typing import Any

from deployments.sandbox import payload
from deployments.sandbox.github.state import Document

LOGIN = "promoter[bot]"


class Site:
    """Where the API is, and which repository it knows."""

    def __init__(self, api: str, full_name: str, number: int) -> None:
        self.api = api
        self.full_name = full_name
        self.number = number

    @property
    def url(self) -> str:
        """The repository's, in the API."""
        return f"{self.api}/repos/{self.full_name}"

    def repository(self) -> Document:
        """Return the repository."""
        return payload.repository(self.number, self.full_name) | {"url": self.url}

    def commit(self, sha: str) -> Document:
        """Return a commit."""
        return {"sha": sha, "node_id": f"C_{sha[:12]}", "url": f"{self.url}/commits/{sha}", "commit": {"message": ""}}

    def status(self, number: int, sha: str, told: Document) -> Document:
        """Return a commit status."""
        return {
            **_made(number, f"{self.url}/statuses/{sha}"),
            "state": told["state"],
            "description": told.get("description"),
            "target_url": told.get("target_url"),
            "context": told.get("context", "default"),
            "sha": sha,
        }

    def deployment(self, number: int, sha: str, told: Document) -> Document:
        """Return a Deployment."""
        url, environment = f"{self.url}/deployments/{number}", told.get("environment", "production")
        return {
            **_made(number, url),
            "sha": sha,
            "ref": told["ref"],
            "task": told.get("task", "deploy"),
            "payload": told.get("payload", {}),
            "original_environment": environment,
            "environment": environment,
            "description": told.get("description"),
            "statuses_url": f"{url}/statuses",
            "repository_url": self.url,
            "transient_environment": told.get("transient_environment", False),
            "production_environment": told.get("production_environment", environment == "production"),
        }

    def deployment_status(self, number: int, deployment: Document, told: Document) -> Document:
        """Return one state of a Deployment."""
        link = told.get("log_url") or told.get("target_url") or ""
        return {
            **_made(number, f"{deployment['url']}/statuses/{number}"),
            "state": told["state"],
            "description": told.get("description", ""),
            "environment": deployment["environment"],
            "environment_url": told.get("environment_url", ""),
            "log_url": link,
            "target_url": link,
            "deployment_url": deployment["url"],
            "repository_url": self.url,
            "deployment": deployment["id"],
        }

    def release(self, number: int, told: Document) -> Document:
        """Return a release; its notes name the tag alone, for nobody here has the history."""
        notes = f"**Full Changelog**: {payload.SITE}/{self.full_name}/commits/{told['tag_name']}"
        return {
            **_made(number, f"{self.url}/releases/{number}"),
            "html_url": f"{payload.SITE}/{self.full_name}/releases/tag/{told['tag_name']}",
            "tag_name": told["tag_name"],
            "target_commitish": told.get("target_commitish", payload.MAIN),
            "name": told.get("name") or told["tag_name"],
            "body": notes if told.get("generate_release_notes") else told.get("body", ""),
            "draft": told.get("draft", False),
            "prerelease": told.get("prerelease", False),
            "make_latest": told.get("make_latest", "true"),
            "author": payload.account(LOGIN),
            "assets": [],
            "published_at": now(),
        }

    def issue(self, number: int) -> Document:
        """Return an issue, or a pull request as one."""
        url = f"{self.url}/issues/{number}"
        return {"id": number, "number": number, "url": url, "comments_url": f"{url}/comments", "state": "open"}

    def comment(self, number: int, issue: int, told: Document) -> Document:
        """Return a comment."""
        url = f"{self.url}/issues/comments/{number}"
        return _made(number, url) | {
            "body": told["body"],
            "user": payload.account(LOGIN),
            "issue_url": f"{self.url}/issues/{issue}",
        }


def now() -> str:
    """Return the time as GitHub writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _made(number: int, url: str) -> dict[str, Any]:
    return {
        "id": number,
        "node_id": f"N_{number}",
        "url": url,
        "creator": payload.account(LOGIN),
        "created_at": now(),
        "updated_at": now(),
    }
