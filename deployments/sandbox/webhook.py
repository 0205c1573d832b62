"""The webhook of the sandbox's remote: tells of each push as GitHub does, signed, beside the push and whatever comes of it.

While it is on, git runs `python -m deployments.sandbox.webhook` after each push. As with GitHub, what was delivered can be looked up
and delivered again, and what nobody took is not sent again by itself.
"""

import hmac
import json
import shlex
import sys
import time
from contextlib import closing
from dataclasses import asdict, dataclass
from hashlib import sha256
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from deployments.sandbox import payload
from deployments.sandbox.payload import Request, Update
from deployments.sandbox.remote import git

LOGIN = "sam-sample"
"""Who pushes: the remote is a folder and knows nobody."""
PATIENCE = 5.0
"""Seconds that an answer may take; GitHub waits for ten."""
HOOK = """#!/bin/sh
# Beside the push: git neither waits for this nor fails with it.
told=$(cat)
printf '%s\\n' "$told" | {python} -P -m deployments.sandbox.webhook "$PWD" >>webhook.log 2>&1 &
"""


@dataclass(frozen=True)
class Webhook:
    """Where the remote tells of its pushes, and as which repository of GitHub."""

    url: str
    secret: str
    repository: str
    """`OWNER/NAME`."""
    repository_id: int


@dataclass(frozen=True)
class Delivery:
    """One webhook as it was sent, and its answer."""

    id: str
    event: str
    body: str
    at: float
    """When, in seconds since 1970."""
    status: int | None
    """None where nobody answered."""
    answer: str
    """The body of the answer, or what was in the way."""


def create(remote: Path, hook: Webhook) -> Webhook:
    """Write down where the bare repository `remote` is to tell of its pushes, and return it; until `switch_on` it tells nobody."""
    place = remote / "webhook.json"
    place.touch(mode=0o600)
    place.write_text(json.dumps(asdict(hook)))
    return hook


def read(remote: Path) -> Webhook:
    """Return what `create` wrote."""
    return Webhook(**json.loads((remote / "webhook.json").read_text()))


def switch_on(remote: Path) -> None:
    """Tell of every push from now on."""
    hook = _hook(remote)
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(HOOK.format(python=shlex.quote(sys.executable)))
    hook.chmod(0o755)


def switch_off(remote: Path) -> None:
    """Tell of no push any more."""
    _hook(remote).unlink(missing_ok=True)


def deliver(remote: Path, update: Update) -> Delivery:
    """Tell of one reference that was pushed, and write down what became of it; raise CommandError where git does not know it."""
    repository = payload.repository(read(remote).repository_id, read(remote).repository)
    return _deliver(remote, "push", payload.push(remote, update, repository, LOGIN))


def request(
    remote: Path,
    number: int,
    branch: str,
    action: str = "opened",
    *,
    target: str = "dev",
    is_from_fork: bool = False,
    label: str | None = None,
) -> Delivery:
    """Have pull request `number` at the head of `branch`, as GitHub has it, and tell of what was done with it.

    The code of a fork is the remote's too, for there is no other; it is only said to be one.
    """
    head, base = (git(remote, "rev-parse", f"refs/heads/{name}").stdout.strip() for name in (branch, target))
    git(remote, "update-ref", f"refs/pull/{number}/head", head)
    repository = payload.repository(read(remote).repository_id, read(remote).repository)
    asked = Request(number, branch, head, target, base, is_from_fork)
    return _deliver(remote, "pull_request", payload.pull_request(asked, action, repository, LOGIN, label=label))


def _deliver(remote: Path, event: str, told: dict[str, Any]) -> Delivery:
    """Send one webhook, and write down what became of it."""
    found = send(read(remote), event, json.dumps(told), str(uuid4()))
    folder = remote / "deliveries"
    folder.mkdir(exist_ok=True)
    place = folder / f"{found.id}.json"
    draft = place.with_suffix(".part")
    draft.write_text(json.dumps(asdict(found)))
    draft.replace(place)
    return found


def deliveries(remote: Path) -> list[Delivery]:
    """Return what was delivered, the oldest first."""
    found = [Delivery(**json.loads(path.read_text())) for path in (remote / "deliveries").glob("*.json")]
    return sorted(found, key=lambda one: one.at)


def send(hook: Webhook, event: str, body: str, delivery: str) -> Delivery:
    """Send one webhook and return what became of it; the same delivery may be sent again."""
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "GitHub-Hookshot/sandbox",
        "X-GitHub-Delivery": delivery,
        "X-GitHub-Event": event,
        "X-Hub-Signature-256": "sha256=" + hmac.new(hook.secret.encode(), body.encode(), sha256).hexdigest(),
    }
    began = time.time()
    status, answer = _post(hook.url, headers, body.encode())
    return Delivery(delivery, event, body, began, status, answer)


def _post(url: str, headers: dict[str, str], body: bytes) -> tuple[int | None, str]:
    place = urlsplit(url)
    try:
        with closing(HTTPConnection(place.hostname or "", place.port, timeout=PATIENCE)) as connection:
            connection.request("POST", place.path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode(errors="replace")
    except (OSError, HTTPException) as error:
        return None, f"{type(error).__name__}: {error}"


def _hook(remote: Path) -> Path:
    return remote / "hooks" / "post-receive"


if __name__ == "__main__":
    for line in sys.stdin:
        told = deliver(Path(sys.argv[1]), Update.read(line))
        print(told.id, told.status, told.answer)  # noqa: T201 - the log of the deliveries
