"""What the service is told by its environment."""

import os


def database_url() -> str:
    """The database's URL; asyncpg takes what it does not say from the PG* variables."""
    return os.environ.get("DATABASE_URL", "postgresql+asyncpg://")


def version() -> str:
    """The version of the release, as the build named it."""
    return os.environ.get("BUILD_VERSION", "v0.0.0-local")


def address() -> tuple[str, int]:
    """Where to listen."""
    return os.environ.get("HOST", "0.0.0.0"), int(os.environ.get("PORT", "8080"))
