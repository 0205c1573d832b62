"""Takes a request's body as it comes, and no more of it than a push may have."""

from starlette.requests import Request

MOST = 2 * 1024 * 1024
"""Bytes. GitHub sends up to 25 MB; a push holds at most 2,048 commits, of which we read none."""


class TooLargeError(Exception):
    """The body is larger, or says that it will be."""


async def read(request: Request, most: int = MOST) -> bytes:
    """Return the body as it was sent, still packed where it was packed; raise TooLargeError as soon as it is too large.

    Without a length, or with a wrong one, what really comes is counted.
    """
    length = request.headers.get("content-length", "")
    if length.isdecimal() and len(length) < 20 and int(length) > most:
        raise TooLargeError
    received = bytearray()
    async for piece in request.stream():
        received += piece
        if len(received) > most:
            raise TooLargeError
    return bytes(received)
