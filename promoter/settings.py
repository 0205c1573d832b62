"""What this installation of Promoter is told by environment variables; all their names begin with PROMOTER_."""

import getpass
import os
from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from promoter.discretion import remember


def _login() -> str:
    """Return the name of who runs this, of a container's nameless user its number."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # Python before 3.13, and from then on
        return f"user {os.getuid()}"


class Settings(BaseSettings):
    """Read afresh where it is needed, so that a test or a worker can set a variable at any time."""

    model_config = SettingsConfigDict(env_prefix="PROMOTER_", extra="ignore")

    ledger_url: str = "postgresql://promoter@127.0.0.1:5432/promoter"
    """Where the ledger is, in libpq's form and without a password."""
    ledger_password: SecretStr | None = None
    services: Path = Path("deployments/services")
    """The folder of the service files."""
    cache: Path = Field(default_factory=lambda: Path.home() / ".cache" / "promoter")
    """Mirrors, environments and layers; can be deleted at any time when nothing runs."""
    registry_username: str | None = None
    registry_password: SecretStr | None = None
    webhook_secret: SecretStr | None = None
    """With what GitHub signs; the gateway does not start without it."""
    webhook_secret_before: SecretStr | None = None
    """The one before it, accepted as well while it is exchanged."""
    github_token: SecretStr | None = None
    """A fine-grained token, with which GitHub is shown what happens; None for both this and the App shows nothing there."""
    github_app_id: str | None = None
    github_app_key: SecretStr | None = None
    """The private key of the GitHub App, as GitHub gave it: a PEM text."""
    github_api: str = "https://api.github.com"
    """Another address for GitHub Enterprise: `https://HOST/api/v3`."""
    notification_block: str | None = None
    """A Prefect block that says when an environment becomes unwell or well again, as `slack-webhook/on-call`."""
    user: str = Field(default_factory=_login)
    """Who asks for what the command line does; the history and a freeze name them."""
    git_name: str = "Promoter"
    """The tagger of release tags."""
    git_email: str = "promoter@localhost"
    lease_seconds: float = 30
    """How long an environment stays held by a driver that gives no sign of life."""

    def model_post_init(self, _context: Any, /) -> None:  # noqa: ANN401 - pydantic's own signature
        """Let this process never say what it is told here in confidence."""
        remember(*(value.get_secret_value() for _, value in self if isinstance(value, SecretStr)))
