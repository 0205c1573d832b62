"""Sends coverage to Codecov by `codecov-cli`; whatever happens there is said, and stops nothing."""

import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from promoter.config import Codecov
from promoter.discretion import remember
from promoter.errors import CommandError
from promoter.shell import Output, run

Upload = tuple[Literal["confirmed", "not confirmed", "off"], str | None]
"""How it ended, and why it is not confirmed."""

QUEUED = "results will be available at: "
"""The tool prints this only when the server's JSON names the page of the upload."""
STORED = "Upload queued for processing complete"
"""The tool prints this when the storage has answered, also with an error: then the exit code says so."""


def upload_argv(rule: Codecov, report: Path, *, commit: str, branch: str) -> list[str]:
    """Return the command that sends the coverage file `report`; the token is not part of it."""
    return [
        sys.executable,
        "-m",
        "codecov_cli.main",
        "--disable-telem",
        *([f"--enterprise-url={rule.url}"] if rule.url else []),
        "upload-coverage",
        "--fail-on-error",
        "--disable-search",
        "--git-service=github",
        f"--file={report}",
        f"--sha={commit}",
        f"--branch={branch}",
        *([f"--slug={rule.slug}"] if rule.slug else []),
    ]


def upload(
    rule: Codecov,
    report: Path,
    *,
    commit: str,
    branch: str,
    token: str | None,
    tries: int = 3,
    timeout: float = 60,
    pause: float = 2,
) -> Upload:
    """Send the coverage file `report` of a commit; an upload that fails is an answer, not an error.

    It is confirmed only when Codecov took the upload and said where it will be shown. `timeout` is the limit of one try and
    `pause` lies between two, in seconds. Without a token it is off.
    """
    if not token:
        return "off", f"{rule.token_variable} is not set"
    remember(token)
    argv = upload_argv(rule, report.absolute(), commit=commit, branch=branch)
    detail = None
    for number in range(tries):
        time.sleep(pause if number else 0)
        detail = _try(argv, report.parent, token, timeout)
        if detail is None:
            return "confirmed", None
    return "not confirmed", detail


def unconfirmed(output: Output) -> str | None:
    """Return why `output` is no confirmation, None where it is one."""
    text = f"{output.stdout}\n{output.stderr}"
    if output.code == 0 and QUEUED in text and STORED in text:
        return None
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return lines[-1].strip()[:300] if lines else f"codecov-cli said nothing and ended with exit code {output.code}"


def _try(argv: list[str], folder: Path, token: str, timeout: float) -> str | None:
    try:
        output = run(argv, cwd=folder, env=_environment(token), timeout=timeout, secrets=[token], check=False)
    except CommandError as error:
        return f"no answer: {error.message.rpartition('` ')[2]}"
    return unconfirmed(output)


def _environment(token: str) -> Mapping[str, str]:
    """Return the token under the name that the tool knows, and none of the variables that would change what it sends."""
    others = {name: "" for name in os.environ if name.startswith("CODECOV_") or name == "TOKENLESS"}
    return {**others, "CODECOV_TOKEN": token, "PYTHONWARNINGS": ""}
