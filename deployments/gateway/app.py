"""The gateway's HTTP face: `POST /github`, `GET /healthz`, `GET /metrics`."""

import logging
import re
import time
from collections.abc import Sequence

import httpx
import psycopg
from anyio import CapacityLimiter, to_thread
from fastapi import BackgroundTasks, FastAPI
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from deployments.gateway import body, intake, reception, signature
from deployments.gateway.announcement import announce
from deployments.gateway.intake import Check, Ignored, Wanted
from deployments.gateway.metrics import Metrics
from deployments.gateway.payload import MalformedError
from deployments.gateway.reception import Noted
from promoter.config import Service
from promoter.errors import LedgerError
from promoter.ledger.connection import connect
from promoter.settings import Settings

logger = logging.getLogger(__name__)

DELIVERY = re.compile(r"[A-Za-z0-9-]{1,64}")
CONNECTIONS = 8
"""To the ledger, at once; who comes in a burst waits for one."""
TELLERS = 4
"""Who tell Prefect, at once; a Prefect that is slow keeps no push waiting."""
REFUSED = "not signed with a secret of this gateway"
"""The one answer to everything that is not verified."""
DOWN = (LedgerError, psycopg.Error)


def build(settings: Settings, services: Sequence[Service]) -> FastAPI:
    """Return the gateway of these services; raise ConfigurationError without a secret."""
    gateway = Gateway(settings, services)
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.add_api_route("/github", gateway.github, methods=["POST"], response_model=None)
    app.add_api_route("/healthz", gateway.healthz, methods=["GET"], response_model=None)
    app.add_api_route("/metrics", gateway.measurements, methods=["GET"], response_model=None)
    return app


class Gateway:
    """What the routes share."""

    def __init__(self, settings: Settings, services: Sequence[Service]) -> None:
        self.settings = settings
        self.services = services
        self.secrets = signature.secrets(settings)
        self.metrics = Metrics()
        self._connections = CapacityLimiter(CONNECTIONS)
        self._tellers = CapacityLimiter(TELLERS)
        self._prefect = httpx.Client()  # one for all: each makes a TLS context, which takes longer than a push

    async def github(self, request: Request, later: BackgroundTasks) -> Response:
        """Answer one webhook; whatever is told to Prefect is told after the answer."""
        began = time.monotonic()
        event, answer = await self._answer(request, later)
        self.metrics.answered(event, answer.status_code, time.monotonic() - began)
        return answer

    async def healthz(self) -> Response:
        """Say whether pushes can be taken."""
        try:
            await to_thread.run_sync(self._look, limiter=self._connections)
        except DOWN:
            return JSONResponse({"status": "the ledger does not answer"}, 503)
        return JSONResponse({"status": "ok"})

    async def measurements(self) -> Response:
        """Return what was counted."""
        return Response(self.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def _answer(self, request: Request, later: BackgroundTasks) -> tuple[str | None, Response]:
        """Return the kind of event, None unless it is verified, and the answer."""
        try:
            content = await body.read(request)
        except body.TooLargeError:
            return None, _problem(413, f"more than {body.MOST} bytes")
        except ClientDisconnect:
            return None, _problem(400, "the body ended too early")
        if not signature.is_signed(content, _raw(request, signature.HEADER), self.secrets):
            return None, _problem(401, REFUSED)
        event = _one(request, "X-GitHub-Event") or ""
        return event, await self._verified(event, request, content, later)

    async def _verified(self, event: str, request: Request, content: bytes, later: BackgroundTasks) -> Response:
        """Answer what GitHub sent."""
        if request.headers.get("content-encoding") or not _is_json(request):
            return _problem(415, "set the webhook's content type to application/json")
        try:
            found = intake.decide(event, content, self.services)
        except MalformedError as error:
            return _problem(400, str(error))
        if isinstance(found, Ignored):
            return JSONResponse({"ignored": found.reason}, 202)
        return await self._take(found, _delivery(request), later)

    async def _take(self, wanted: Sequence[Wanted | Check], delivery: str | None, later: BackgroundTasks) -> Response:
        """Note what came before the answer, tell Prefect of it after."""
        try:
            noted = await to_thread.run_sync(self._note, wanted, delivery, limiter=self._connections)
        except DOWN as error:
            logger.warning("a delivery is not noted: %s", error)
            return _problem(503, "the ledger does not answer: deliver it again later")
        for one in noted:
            later.add_task(self._tell, one)
        kind = "pushes" if isinstance(wanted[0], Wanted) else "pull_requests"
        return JSONResponse({kind: {one.service: str(one.id) for one in noted}}, 202)

    def _note(self, wanted: Sequence[Wanted | Check], delivery: str | None) -> list[Noted]:
        """Note what came in one transaction: all of it or nothing."""
        with connect(self.settings) as ledger:
            noted = [reception.note(ledger, one, delivery) for one in wanted]
        self.metrics.noted.inc(sum(one.is_new for one in noted))
        return noted

    async def _tell(self, noted: Noted) -> None:
        await to_thread.run_sync(self._announce, noted, limiter=self._tellers)

    def _announce(self, noted: Noted) -> None:
        """Tell Prefect of what nobody started yet; what goes wrong here, the poller mends."""
        try:
            with connect(self.settings) as ledger:
                if noted.tries.take(ledger, noted.id) is None:
                    return
            problem = announce(self._prefect, noted.event)
            if problem is not None:
                self.metrics.untold.inc()
                logger.warning("Prefect is not told of %s yet: %s", noted.id, problem)
                with connect(self.settings) as ledger:
                    noted.tries.give_back(ledger, noted.id)
        except DOWN as error:
            logger.warning("%s is left to the poller: %s", noted.id, error)

    def _look(self) -> None:
        with connect(self.settings) as ledger:
            ledger.execute("SELECT FROM arrivals LIMIT 1")


def _problem(status: int, words: str) -> JSONResponse:
    return JSONResponse({"error": words}, status)


def _raw(request: Request, name: str) -> list[bytes]:
    """Return every value of a header as it came."""
    wanted = name.lower().encode()
    return [value for key, value in request.headers.raw if key.lower() == wanted]


def _one(request: Request, name: str) -> str | None:
    """Return the value of a header that stands there once, None of any other."""
    found = request.headers.getlist(name)
    return found[0] if len(found) == 1 else None


def _delivery(request: Request) -> str | None:
    """Return the name of the delivery; without a plain one the commit alone tells a duplicate."""
    name = _one(request, "X-GitHub-Delivery") or ""
    return name if DELIVERY.fullmatch(name) else None


def _is_json(request: Request) -> bool:
    kind = (_one(request, "Content-Type") or "").partition(";")[0]
    return kind.strip().lower() == "application/json"
