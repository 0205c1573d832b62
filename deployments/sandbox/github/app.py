"""The endpoints, with what GitHub checks: who asks, states it knows, lengths it allows, tags that have a release."""

import re
from typing import Annotated, Any

from fastapi import APIRouter, Body, FastAPI, Request
from fastapi.responses import JSONResponse

from deployments.sandbox.github.documents import Site, now
from deployments.sandbox.github.state import Document, Shown, State

SHA = re.compile(r"[0-9a-f]{40}")
STATUSES = {"error", "failure", "pending", "success"}
DEPLOYMENT_STATES = {"error", "failure", "inactive", "in_progress", "queued", "pending", "success"}
LONGEST = 140
INSTALLATION = 7
"""The number of the App's installation on the repository."""
Told = Annotated[dict[str, Any], Body()]


class RefusedError(Exception):
    """A request that GitHub does not do."""

    def __init__(self, status: int, message: str, *errors: Document) -> None:
        super().__init__(message)
        self.answer = JSONResponse({"message": message, "errors": list(errors), "status": str(status)}, status)


def create(state: State, site: Site, tokens: set[str]) -> FastAPI:
    """Return the API; a request has to show one of `tokens`, none asks for any at all. An App's is added by asking for it."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.add_exception_handler(RefusedError, _refuse)
    for router in (_repository(state, site), _deployments(state, site), _talk(state, site)):
        app.include_router(router, prefix=f"/repos/{site.full_name}")

    @app.get(f"/repos/{site.full_name}/installation")
    def installation() -> Document:
        return {"id": INSTALLATION, "app_id": 1, "account": site.repository()["owner"]}

    @app.post(f"/app/installations/{INSTALLATION}/access_tokens", status_code=201)
    def access_token() -> Document:
        tokens.add(token := f"ghs_installation{len(tokens)}of{'sandbox' * 4}")
        return {"token": token, "expires_at": "2099-01-01T00:00:00Z", "permissions": {}}

    return app


def _repository(state: State, site: Site) -> APIRouter:
    """Return what is asked of the repository itself: commits with their statuses, releases."""
    router = APIRouter()

    @router.get("")
    def repository() -> Document:
        return site.repository()

    @router.get("/commits/{sha}")
    def commit(sha: str) -> Document:
        _commit(sha)
        return site.commit(sha)

    @router.post("/statuses/{sha}", status_code=201)
    def status(sha: str, told: Told) -> Document:
        _commit(sha)
        _check(told, STATUSES)
        with state.changing() as shown:
            return _add(shown, shown.statuses, site.status(_next(shown), sha, told))

    @router.post("/releases", status_code=201)
    def release(told: Told) -> Document:
        with state.changing() as shown:
            if any(one["tag_name"] == told["tag_name"] for one in shown.releases):
                raise RefusedError(
                    422,
                    "Validation Failed",
                    {"resource": "Release", "code": "already_exists", "field": "tag_name"},
                )
            return _add(shown, shown.releases, site.release(_next(shown), told))

    @router.get("/releases/tags/{tag}")
    def release_of(tag: str) -> Document:
        return _find(state.read().releases, tag_name=tag)

    return router


def _deployments(state: State, site: Site) -> APIRouter:
    router = APIRouter()

    @router.post("/deployments", status_code=201)
    def create(told: Told) -> Document:
        _commit(told["ref"])
        _check(told)
        if told.get("required_contexts") != []:
            raise RefusedError(409, "Conflict: Commit status checks failed")
        with state.changing() as shown:
            return _add(shown, shown.deployments, site.deployment(_next(shown), told["ref"], told))

    @router.get("/deployments")
    def list_(sha: str | None = None, environment: str | None = None) -> list[Document]:
        newest_first = reversed(state.read().deployments)
        return [one for one in newest_first if sha in {None, one["sha"]} and environment in {None, one["environment"]}]

    @router.get("/deployments/{number}")
    def read(number: int) -> Document:
        return _find(state.read().deployments, id=number)

    @router.post("/deployments/{number}/statuses", status_code=201)
    def status(number: int, told: Told) -> Document:
        _check(told, DEPLOYMENT_STATES)
        with state.changing() as shown:
            deployment = _find(shown.deployments, id=number)
            if told["state"] == "success" and told.get("auto_inactive", True):
                _retire(shown, site, deployment)
            return _add(shown, shown.deployment_statuses, site.deployment_status(_next(shown), deployment, told))

    return router


def _talk(state: State, site: Site) -> APIRouter:
    """Return what is said on issues and pull requests."""
    router = APIRouter()

    @router.get("/issues/{number}")
    def issue(number: int) -> Document:
        return site.issue(number)

    @router.get("/issues/{number}/comments")
    def comments(number: int) -> list[Document]:
        return [one for one in state.read().comments if one["issue_url"].endswith(f"/{number}")]

    @router.post("/issues/{number}/comments", status_code=201)
    def say(number: int, told: Told) -> Document:
        with state.changing() as shown:
            return _add(shown, shown.comments, site.comment(_next(shown), number, told))

    @router.get("/issues/comments/{number}")
    def comment(number: int) -> Document:
        return _find(state.read().comments, id=number)

    @router.patch("/issues/comments/{number}")
    def edit(number: int, told: Told) -> Document:
        with state.changing() as shown:
            found = _find(shown.comments, id=number)
            found.update(body=told["body"], updated_at=now())
            return found

    return router


async def _refuse(_: Request, refusal: Exception) -> JSONResponse:
    if not isinstance(refusal, RefusedError):
        raise refusal
    return refusal.answer


def _retire(shown: Shown, site: Site, newest: Document) -> None:
    """Do what `auto_inactive` says: earlier successes of the environment become inactive, those of production do not."""
    for one in shown.deployments:
        is_alike = one["environment"] == newest["environment"] and one["id"] != newest["id"]
        if is_alike and not one["production_environment"] and shown.states(one["id"])[-1:] == ["success"]:
            _add(shown, shown.deployment_statuses, site.deployment_status(_next(shown), one, {"state": "inactive"}))


def _check(told: Document, states: set[str] | None = None) -> None:
    """Refuse a state that GitHub does not know, and a description that is too long for it."""
    if states is not None and told.get("state") not in states:
        raise RefusedError(422, "Validation Failed", {"code": "invalid", "field": "state"})
    if len(told.get("description") or "") > LONGEST:
        raise RefusedError(422, "Validation Failed", {"code": "custom", "message": "description is too long"})


def _commit(sha: str) -> None:
    if not SHA.fullmatch(sha):
        raise RefusedError(422, f"No commit found for SHA: {sha}")


def _next(shown: Shown) -> int:
    shown.number += 1
    return shown.number


def _add(shown: Shown, documents: list[Document], document: Document) -> Document:
    assert shown.number == document["id"]  # noqa: S101 - `_next` gave it
    documents.append(document)
    return document


def _find(documents: list[Document], **wanted: object) -> Document:
    for one in documents:
        if wanted.items() <= one.items():
            return one
    raise RefusedError(404, "Not Found")
