"""What may be wrong with GitHub, set by a file in its folder: the tests' way to make it fail."""

import asyncio
import json
from enum import StrEnum
from pathlib import Path

from starlette.responses import JSONResponse, Response

from deployments.sandbox.registry.store import write

SLOW = 30.0
"""Seconds that a slow answer takes: longer than anybody waits."""
DOCUMENTATION = "https://docs.github.com/rest"


class Fault(StrEnum):
    """How every request is answered, or that it is answered as it should."""

    NONE = "none"
    BROKEN = "broken"
    """500."""
    BUSY = "busy"
    """403 with `retry-after`: the secondary rate limit."""
    EXHAUSTED = "exhausted"
    """403 without requests left: the primary rate limit."""
    FORBIDDEN = "forbidden"
    """403 for a token without the permission."""
    SLOW = "slow"
    """Nothing for a long time."""
    LOST = "lost"
    """Whatever is asked for is done, and the answer is lost."""


def save(folder: Path, fault: Fault) -> None:
    """Let the GitHub of `folder` answer so from now on."""
    write(folder / "fault.json", json.dumps(fault).encode())


def load(folder: Path) -> Fault:
    """Return what is wrong with it."""
    path = folder / "fault.json"
    return Fault(json.loads(path.read_text())) if path.is_file() else Fault.NONE


async def answer(fault: Fault) -> Response | None:
    """Return the wrong answer, None where the right one is given."""
    if fault is Fault.SLOW:
        await asyncio.sleep(SLOW)
    return {
        Fault.BROKEN: lambda: JSONResponse({"message": "Server Error"}, 500),
        Fault.BUSY: lambda: _forbidden(
            "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.",
            {"retry-after": "60"},
        ),
        Fault.EXHAUSTED: lambda: _forbidden(
            "API rate limit exceeded for installation ID 1.",
            {"x-ratelimit-limit": "5000", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "4102444800"},
        ),
        Fault.FORBIDDEN: lambda: _forbidden("Resource not accessible by personal access token", {}),
    }.get(fault, lambda: None)()


def lost() -> Response:
    """Return what a proxy says when the answer of the server behind it is lost."""
    return JSONResponse({"message": "Bad Gateway"}, 502)


def _forbidden(message: str, headers: dict[str, str]) -> Response:
    return JSONResponse({"message": message, "documentation_url": DOCUMENTATION, "status": "403"}, 403, headers)
