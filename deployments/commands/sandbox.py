"""Bring the embedded sandbox up or down, or say how it is: PostgreSQL, registry, AWS, git remote, Prefect, a sample service."""

import shlex
from argparse import ArgumentParser
from pathlib import Path

from deployments.sandbox import sandbox
from deployments.sandbox.parts import is_alive
from promoter.errors import ConfigurationError


def arguments(parser: ArgumentParser) -> None:
    """Declare what the verb takes."""
    parser.add_argument(
        "action", choices=["up", "down", "status", "env"], help="env prints what a shell needs to work with it"
    )
    parser.add_argument(
        "--folder", type=Path, default=Path(".sandbox"), metavar="DIR", help="where it lives (.sandbox)"
    )
    parser.add_argument(
        "--webhook", action="store_true", help="up: a push to its git remote promotes itself, as on GitHub"
    )
    parser.add_argument("--github", action="store_true", help="up: with a GitHub that shows what is promoted")
    parser.add_argument("--container", action="store_true", help="up: run tasks as containers; needs a Docker engine")


def run(*, action: str, folder: Path, container: bool, webhook: bool, github: bool) -> int:
    """Do it; `status` ends with 1 unless everything runs."""
    if action == "up":
        return _up(folder, container=container, webhook=webhook, github=github)
    return {"down": _down, "status": _status, "env": _env}[action](folder)


def _up(folder: Path, *, container: bool, webhook: bool, github: bool) -> int:
    running = sandbox.up(folder, runtime="container" if container else "process", github=github)
    if webhook:
        sandbox.promote_pushes(running)
        _say(f"a push to {running.remote} promotes itself")
    _say(f"the sandbox in {running.folder} is up; Prefect UI: {running.ui}")
    _say(f'eval "$(promoter sandbox env --folder {shlex.quote(str(folder))})" lets this shell work with it')
    return 0


def _down(folder: Path) -> int:
    ended = sandbox.down(folder)
    _say(f"ended: {', '.join(ended)}" if ended else f"there is no sandbox in {folder}")
    return 0


def _status(folder: Path) -> int:
    found = _found(folder)
    for part in found.parts.values():
        _say(f"{part.name:10} {'up' if is_alive(part) else 'DOWN':5} {part.url}")
    return 0 if found.is_alive() else 1


def _env(folder: Path) -> int:
    for name, value in _found(folder).variables.items():
        _say(f"export {name}={shlex.quote(value)}")
    return 0


def _found(folder: Path) -> sandbox.Sandbox:
    found = sandbox.read(folder)
    if found is None:
        raise ConfigurationError(f"there is no sandbox in {folder}", hint="`promoter sandbox up` makes one.")
    return found


def _say(text: str) -> None:
    print(text)  # noqa: T201
