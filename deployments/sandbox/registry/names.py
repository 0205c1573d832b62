"""Reads repositories, digests and pages from requests, and refuses what the grammar does not know."""

from starlette.requests import Request
from starlette.responses import JSONResponse

from deployments.sandbox.registry.refusals import Refusal
from promoter.images import oci


def name_in(request: Request) -> str:
    """Return the repository that the request's path names."""
    name: str = request.path_params["name"]
    if len(name) > 255 or not oci.NAME.fullmatch(name):
        raise Refusal("NAME_INVALID", f"{name!r} is no name of a repository")
    return name


def digest_in(text: str) -> str:
    """Return `text`, which has to be a digest."""
    if not oci.DIGEST.fullmatch(text):
        raise Refusal("DIGEST_INVALID", f"{text!r} is no sha256 digest")
    return text


def reference_in(request: Request) -> str:
    """Return the tag or the digest that the request's path names."""
    reference: str = request.path_params["reference"]
    if not oci.TAG.fullmatch(reference) and not oci.DIGEST.fullmatch(reference):
        raise Refusal("MANIFEST_INVALID", f"{reference!r} is neither a tag nor a digest")
    return reference


def page(request: Request, found: list[str], key: str, **further: str) -> JSONResponse:
    """Return the part of `found` that the query's `n` and `last` ask for, and where the next part is."""
    query = request.query_params
    count = query.get("n", "")
    if count and not count.isdecimal():
        raise Refusal("PAGINATION_NUMBER_INVALID", f"n={count!r} is no number")
    rest = [entry for entry in found if entry > query.get("last", "")]
    part = rest[: int(count)] if count else rest
    headers = {}
    if part and len(part) < len(rest):
        headers["Link"] = f'<{request.url.path}?n={count}&last={part[-1]}>; rel="next"'
    return JSONResponse({**further, key: part}, headers=headers)
