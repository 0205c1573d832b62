"""Where the Prefect server answers and how it knows us, without importing Prefect: a command line has to start in a blink.

PREFECT_API_URL and PREFECT_API_AUTH_STRING are Prefect's own settings: https://docs.prefect.io/v3/advanced/security-settings
"""

import os

import httpx

from promoter.errors import ConfigurationError

PATIENCE = 30.0
"""Seconds that one answer may take."""


def url() -> str:
    """Return the address of the API, without a slash at its end; raise ConfigurationError where none is set."""
    found = os.environ.get("PREFECT_API_URL")
    if not found:
        raise ConfigurationError("PREFECT_API_URL is not set", hint="Name the API of your Prefect server.")
    return found.rstrip("/")


def authentication() -> httpx.Auth:
    """Return what a server that asks for it wants to see, `user:password`; nothing where that is not set."""
    user, _, password = os.environ.get("PREFECT_API_AUTH_STRING", "").partition(":")
    return httpx.BasicAuth(user, password) if user else httpx.Auth()


def client(timeout: float = PATIENCE) -> httpx.Client:
    """Return a client whose requests name only what stands behind the API's address; `timeout` is in seconds."""
    return httpx.Client(base_url=url(), auth=authentication(), timeout=timeout)
