"""What the registry answers when it says no: the error codes of the OCI distribution specification 1.1."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

STATUS = {
    "BLOB_UNKNOWN": 404,
    "BLOB_UPLOAD_INVALID": 416,
    "BLOB_UPLOAD_UNKNOWN": 404,
    "DIGEST_INVALID": 400,
    "MANIFEST_BLOB_UNKNOWN": 400,
    "MANIFEST_INVALID": 400,
    "MANIFEST_UNKNOWN": 404,
    "NAME_INVALID": 400,
    "NAME_UNKNOWN": 404,
    "PAGINATION_NUMBER_INVALID": 400,
    "SIZE_INVALID": 413,
    "UNAUTHORIZED": 401,
    "DENIED": 403,
    "UNSUPPORTED": 405,
}
"""The HTTP status of each code."""


class Refusal(Exception):  # noqa: N818 - it is an answer, not a fault of this program
    """A request that the registry does not do, with its code, a sentence and further headers."""

    def __init__(self, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.headers = headers


async def answer(_: Request, refusal: Exception) -> JSONResponse:
    """Return a Refusal as the specification writes it; Starlette calls this."""
    if not isinstance(refusal, Refusal):
        raise refusal
    return JSONResponse(
        {"errors": [{"code": refusal.code, "message": refusal.message, "detail": None}]},
        STATUS[refusal.code],
        headers=refusal.headers,
    )


async def answer_unknown(request: Request, error: Exception) -> JSONResponse:
    """Return the answer to a path or method that the API does not have; Starlette calls this."""
    if not isinstance(error, HTTPException):
        raise error
    code = "UNSUPPORTED" if error.status_code == 405 else "NAME_UNKNOWN"
    return await answer(request, Refusal(code, f"{request.method} {request.url.path}: {error.detail}"))
