"""The webhook of the sandbox's remote: what a push tells, in GitHub's words, and that no push waits for it."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from deployments.gateway.payload import read_pull_request, read_push
from deployments.gateway.signature import HEADER, is_signed
from deployments.sandbox import webhook
from deployments.sandbox.payload import NOTHING
from deployments.sandbox.remote import git
from deployments.sandbox.sample.repository import SampleRepository
from deployments.sandbox.sample.scenarios import Scenario
from deployments.sandbox.webhook import Delivery, Webhook

SECRET = "the secret of the sandbox"
PATIENCE = 30.0
"""Seconds that a delivery may take until it is there."""
Heard = list[tuple[dict[str, str], bytes]]


@pytest.fixture
def gateway() -> Iterator[tuple[str, Heard]]:
    """Return the address of what takes webhooks, and what it took."""
    heard: Heard = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append((dict(self.headers), self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(202)
            self.end_headers()
            self.wfile.write(b"taken")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/github", heard
        server.shutdown()
        thread.join()


@pytest.fixture
def sample(tmp_path: Path) -> SampleRepository:
    """Return the sample's repository with its first history."""
    return SampleRepository.create(tmp_path / "remote.git", tmp_path / "clone")


def telling(sample: SampleRepository, url: str) -> SampleRepository:
    """Let the remote tell of its pushes at `url`."""
    webhook.create(sample.remote, Webhook(url, SECRET, "sample/sample-api", 4711))
    webhook.switch_on(sample.remote)
    return sample


def delivered(sample: SampleRepository, number: int = 1) -> list[Delivery]:
    """Return the deliveries when there are `number` of them."""
    deadline = time.monotonic() + PATIENCE
    while len(found := webhook.deliveries(sample.remote)) < number:
        assert time.monotonic() < deadline, (sample.remote / "webhook.log").read_text()
        time.sleep(0.05)
    return found


def test_a_push_is_told_as_github_tells_it(sample: SampleRepository, gateway: tuple[str, Heard]) -> None:
    """Signed, with its commits and their files; the gateway reads it as it reads GitHub's."""
    url, heard = gateway
    before = git(sample.remote, "rev-parse", "dev").stdout.strip()
    commit = telling(sample, url).commit(Scenario.NEW_MIGRATION, "dev")

    sample.push("dev")

    (delivery,) = delivered(sample)
    ((headers, body),) = heard
    told = json.loads(body)
    assert is_signed(body, [headers[HEADER].encode()], [SECRET.encode()])
    assert (headers["X-GitHub-Event"], headers["X-GitHub-Delivery"]) == ("push", delivery.id)
    assert (delivery.status, delivery.answer, delivery.body) == (202, "taken", body.decode())
    assert shape(told) == {
        "ref": "refs/heads/dev",
        "before": before,
        "after": commit,
        "created": False,
        "deleted": False,
        "forced": False,
        "repository": (4711, "sample/sample-api"),
        "commits": [commit],
        "head_commit": commit,
    }
    assert told["head_commit"]["message"] == "feat: let notes say more"
    assert "app/main.py" in told["head_commit"]["modified"]
    assert "migrations/versions/add_colour_to_notes.py" in told["head_commit"]["added"]
    read = read_push(body)
    assert (read.branch, read.after, read.pushed_by) == ("dev", commit, webhook.LOGIN)


def shape(told: dict[str, Any]) -> dict[str, Any]:
    """Return the parts of a payload that say what was pushed."""
    parts = {name: told[name] for name in ("ref", "before", "after", "created", "deleted", "forced")}
    head = told["head_commit"]
    return {
        **parts,
        "repository": (told["repository"]["id"], told["repository"]["full_name"]),
        "commits": [one["id"] for one in told["commits"]],
        "head_commit": head and head["id"],
    }


def test_new_rewound_and_deleted_branches_are_told(sample: SampleRepository, gateway: tuple[str, Heard]) -> None:
    """Each in a delivery of its own."""
    telling(sample, gateway[0])
    main = git(sample.remote, "rev-parse", "main").stdout.strip()
    commit = sample.commit(Scenario.GOOD, "cicd/x")
    for number, refspec in enumerate([f"{commit}:refs/heads/cicd/x", f"+{main}:refs/heads/cicd/x", ":cicd/x"], 1):
        git(sample.folder, "push", "--quiet", "origin", refspec)
        delivered(sample, number)

    told = [shape(json.loads(one.body)) for one in webhook.deliveries(sample.remote)]

    assert [(one["before"], one["after"]) for one in told] == [(NOTHING, commit), (commit, main), (main, NOTHING)]
    assert [one["created"] for one in told] == [True, False, False]
    assert [one["forced"] for one in told] == [False, True, False]
    assert [one["deleted"] for one in told] == [False, False, True]
    assert [one["commits"] for one in told] == [[commit], [], []]
    assert [one["head_commit"] for one in told] == [commit, main, None]


def test_a_tag_is_told_too(sample: SampleRepository, gateway: tuple[str, Heard]) -> None:
    """Its commit is the head."""
    telling(sample, gateway[0])
    git(sample.folder, "tag", "--annotate", "--message", "x", "v9.0.0", "main")

    git(sample.folder, "push", "--quiet", "origin", "v9.0.0")

    told = shape(json.loads(delivered(sample)[0].body))
    assert told["ref"] == "refs/tags/v9.0.0"
    assert told["head_commit"] == git(sample.remote, "rev-parse", "main").stdout.strip()


def test_a_delivery_can_be_sent_again(sample: SampleRepository, gateway: tuple[str, Heard]) -> None:
    """By its own name, byte by byte."""
    url, heard = gateway
    telling(sample, url).commit(Scenario.GOOD, "dev")
    sample.push("dev")
    (first,) = delivered(sample)

    again = webhook.send(webhook.read(sample.remote), first.event, first.body, first.id)

    assert again.status == 202
    assert heard[0] == heard[1]


@pytest.mark.parametrize("backlog", [None, 1], ids=["nobody listens", "nobody answers"])
def test_a_push_does_not_wait_for_its_webhook(sample: SampleRepository, backlog: int | None) -> None:
    """Nor fail with it; what was in the way is written down."""
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        if backlog:
            place.listen(backlog)
        telling(sample, f"http://127.0.0.1:{place.getsockname()[1]}/github").commit(Scenario.GOOD, "dev")

        sample.push("dev")

        assert backlog is None or webhook.deliveries(sample.remote) == []
        assert delivered(sample)[0].status is None


def test_a_remote_that_is_switched_off_tells_nobody(sample: SampleRepository, gateway: tuple[str, Heard]) -> None:
    """From one push to the next."""
    telling(sample, gateway[0]).commit(Scenario.GOOD, "dev")
    webhook.switch_off(sample.remote)

    sample.push("dev")

    assert not (sample.remote / "webhook.log").exists()
    assert (sample.remote / "webhook.json").stat().st_mode & 0o077 == 0


def test_a_pull_request_is_told_as_github_tells_it(sample: SampleRepository, gateway: tuple[str, Heard]) -> None:
    """Its head is where git finds that of any pull request; the gateway reads what is told as it reads GitHub's."""
    url, heard = gateway
    webhook.create(sample.remote, Webhook(url, SECRET, "sample/sample-api", 4711))
    commit = sample.commit(Scenario.GOOD, "feat/x")
    sample.push("feat/x")

    opened = webhook.request(sample.remote, 7, "feat/x")
    webhook.request(sample.remote, 7, "feat/x", "labeled", is_from_fork=True, label="promoter: check")

    asked, labelled = (read_pull_request(body) for _, body in heard)
    assert (opened.event, opened.status) == ("pull_request", 202)
    assert git(sample.remote, "rev-parse", "refs/pull/7/head").stdout.strip() == commit
    told = asked.pull_request
    assert (asked.action, told.number, told.head.sha, told.base.ref) == ("opened", 7, commit, "dev")
    assert (asked.is_from_elsewhere, labelled.is_from_elsewhere) == (False, True)
    assert labelled.label is not None
    assert labelled.label.name == "promoter: check"
