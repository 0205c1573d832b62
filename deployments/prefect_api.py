"""Where Prefect's API is, and with what it is asked: the two variables that Prefect itself reads."""

import os

import httpx

from promoter.errors import ConfigurationError


def url() -> str:
    """Return the address of the API. Raises ConfigurationError where nobody has said it."""
    found = os.environ.get("PREFECT_API_URL")
    if not found:
        raise ConfigurationError("PREFECT_API_URL is not set", hint="Name the API of your Prefect server.")
    return found


def authentication() -> httpx.Auth:
    """Return the credential of a server that asks for one, as Prefect's own setting has it: `user:password`; else none."""
    user, _, password = os.environ.get("PREFECT_API_AUTH_STRING", "").partition(":")
    return httpx.BasicAuth(user, password) if user else httpx.Auth()


def client(timeout: float = 30) -> httpx.Client:
    """Return a client of the API; `timeout` is in seconds."""
    return httpx.Client(base_url=url(), timeout=timeout, auth=authentication())
