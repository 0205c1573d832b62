"""Lends the docker client a login for one run: never in an argument, never in the user's own files."""

import base64
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from promoter import scratch
from promoter.errors import ConfigurationError
from promoter.images.builders import Login

CONFIG = "config.json"
KEYS = {"docker.io": "https://index.docker.io/v1/"}
"""Registries that the docker client looks up under another name than their own."""


@contextmanager
def lend(host: str, login: Login | None) -> Iterator[dict[str, str]]:
    """Yield the environment in which `docker` is logged in at the registry `host`; without a login, nothing changes.

    A private DOCKER_CONFIG folder holds the login, mode 0600, and is removed afterwards. Plugins, builders, contexts and
    all other settings stay the user's own.
    """
    if login is None:
        yield {}
        return
    own = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
    with scratch.folder("promoter-docker") as folder:
        _link(own, folder)
        document = with_login(_read(own / CONFIG), host, login)
        (folder / CONFIG).touch(mode=0o600)
        (folder / CONFIG).write_text(json.dumps(document))
        yield {"DOCKER_CONFIG": str(folder)}


def with_login(config: dict[str, Any], host: str, login: Login) -> dict[str, Any]:
    """Return the client's `config` with a login at `host`.

    A credential store would hide it, so `host` gets the helper "", which is the file itself; see `GetCredentialsStore` in
    the docker client's config/configfile/file.go. Other registries keep theirs.
    """
    key = KEYS.get(host, host)
    pair = f"{login.username}:{login.password.get_secret_value()}".encode()
    auths = {**config.get("auths", {}), key: {"auth": base64.b64encode(pair).decode()}}
    helpers = {**config.get("credHelpers", {}), key: ""}
    return {**config, "auths": auths, "credHelpers": helpers}


def _read(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path}: cannot be read as the docker client's settings: {error}") from error
    if not isinstance(document, dict):
        raise ConfigurationError(f"{path}: holds no JSON object, as the docker client's settings do")
    return document


def _link(own: Path, folder: Path) -> None:
    for entry in own.iterdir() if own.is_dir() else ():
        if entry.name != CONFIG:
            (folder / entry.name).symlink_to(entry.resolve())
