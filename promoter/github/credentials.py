"""Who we are on GitHub: a fine-grained token, or a GitHub App that is installed on the repository."""

from dataclasses import dataclass, field

from pydantic import SecretStr

from promoter.errors import ConfigurationError
from promoter.settings import Settings


@dataclass(frozen=True)
class Credentials:
    """What to show at which address: either a token, or an App's number and key."""

    api: str
    token: SecretStr | None = field(default=None, repr=False)
    app_id: str = ""
    app_key: SecretStr | None = field(default=None, repr=False)


def is_known(settings: Settings) -> bool:
    """Say whether this installation is somebody on GitHub, as it seems."""
    return any((settings.github_token, settings.github_app_id, settings.github_app_key))


def credentials(settings: Settings) -> Credentials | None:
    """Return the credentials of this installation, None where it has none; raise ConfigurationError for half of an App."""
    api = settings.github_api.rstrip("/")
    if settings.github_token is not None:
        return Credentials(api, token=settings.github_token)
    if settings.github_app_id is not None and settings.github_app_key is not None:
        return Credentials(api, app_id=settings.github_app_id, app_key=settings.github_app_key)
    if settings.github_app_id is not None or settings.github_app_key is not None:
        missing = "KEY" if settings.github_app_key is None else "ID"
        raise ConfigurationError(
            f"PROMOTER_GITHUB_APP_{missing} is not set", hint="An App needs both; or set PROMOTER_GITHUB_TOKEN instead."
        )
    return None
