"""Asks a service for its health over HTTP, once or until it is well, and trusts nothing that it answers."""

import asyncio
import ssl
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import cache
from typing import Self

import httpx

from promoter import addresses
from promoter.config import HealthAnswer
from promoter.errors import HealthError, PromoterError
from promoter.health import Answer, Kind, accepted_versions, judge
from promoter.pace import Pace
from promoter.records import HealthReport
from promoter.text import printable

REQUEST_TIMEOUT = 5.0
"""Seconds for one request from name look-up to the last byte, however slowly they drip."""
LAST_REQUEST = 1.0
"""Seconds that a request gets which begins just before the deadline."""
LONGEST_BODY = 64 * 1024
"""Bytes of an answer that are read; a health answer has a few hundred."""
SHORTEST, LONGEST = 0.25, 1.0
"""Seconds between two requests; a service that is ready is noticed within 2 s."""
STEADY = 10
"""Equal answers of a wrong version, all from the new tasks, that end the wait: it will not change by itself."""
HEADERS = {"Accept": "application/json", "Accept-Encoding": "identity", "Cache-Control": "no-cache"}


def ask(url: str, fields: HealthAnswer, accepted: AbstractSet[str] | None = None) -> Answer:
    """Ask once and return what was found; `accepted` None takes any version and none.

    Raises HealthError if the URL leads to another host or to a link-local address. Not to be called where an event loop runs.
    """
    with asyncio.Runner() as runner, _Asker(url, fields, accepted, runner) as asker:
        return asker.ask(REQUEST_TIMEOUT)


def check(url: str) -> None:
    """Raise HealthError if `url` could never tell the health of a release.

    It leads to another host or to a link-local address, or its answer is too long. A service that does not answer, or not well, passes: the release may be what mends it.
    """
    answer = ask(url, HealthAnswer())
    if answer.kind == "too long":
        raise HealthError(f"health URL {url}: {answer.detail}", hint="Mend `health_url` of the environment.")


def wait_until_healthy(
    url: str,
    expected_tag: str | None,
    branch: str,
    answer: HealthAnswer,
    *,
    timeout: float,
    answers: int,
    fleet: Callable[[], str | None],
    notice: Callable[[str], object],
) -> HealthReport:
    """Ask until `answers` consecutive answers are right and `fleet` has nothing to say against each of them.

    `expected_tag` None takes any version and none: it only has to be well. `timeout` is in seconds, from now. `fleet` returns None
    when every running task is of the new release, else the reason why not. Whatever else comes (refused, 5xx, HTML, half JSON,
    another version) means "not yet", with three exceptions that end the wait at once: a redirect to another host, a link-local address, and the
    same wrong version STEADY times in a row from a fleet that is all new. Raises HealthError with the last answer of each kind.
    """
    accepted = None if expected_tag is None else accepted_versions(expected_tag, branch)
    tally = Tally(notice)
    pace = Pace(timeout, SHORTEST, LONGEST)
    with asyncio.Runner() as runner, _Asker(url, answer, accepted, runner) as asker:
        while True:
            found = _with_fleet(asker.ask(min(REQUEST_TIMEOUT, max(pace.left, LAST_REQUEST))), fleet)
            tally.add(found)
            if found.kind == "right" and tally.in_a_row >= answers:
                return HealthReport(url, found.version or "", tally.in_a_row, tally.tries, pace.seconds)
            if tally.is_steadily_wrong or not pace.left:
                raise HealthError(
                    _verdict(url, expected_tag or "any version", tally, pace), hint="The task's log lines may say why."
                )
            pace.rest(moved=found.kind == "right")


@dataclass
class Tally:
    """Counts the answers and keeps the last of each kind."""

    notice: Callable[[str], object]
    tries: int = 0
    in_a_row: int = 0
    """Answers of one kind at the end; wrong versions have to be the same one."""
    last: Answer | None = None
    kinds: dict[Kind, tuple[int, str]] = field(default_factory=dict)
    """How often each kind came, and the last detail of it."""

    def add(self, answer: Answer) -> None:
        """Count `answer`; tell it if it is not the same as the one before."""
        self.in_a_row = self.in_a_row + 1 if self.last is not None and _alike(answer, self.last) else 1
        if answer != self.last:
            self.notice(answer.detail if answer.kind == "right" else f"not yet: {answer.detail}")
        count, _ = self.kinds.get(answer.kind, (0, ""))
        self.kinds[answer.kind] = (count + 1, answer.detail)
        self.tries, self.last = self.tries + 1, answer

    @property
    def is_steadily_wrong(self) -> bool:
        """Whether the new tasks have said the same wrong version often enough."""
        wrong = self.last is not None and self.last.kind == "version" and self.last.version is not None
        return wrong and self.in_a_row >= STEADY


class _Asker:
    """One HTTP client that takes a new connection for each request, so that a load balancer spreads them over the tasks."""

    def __init__(
        self, url: str, fields: HealthAnswer, accepted: AbstractSet[str] | None, runner: asyncio.Runner
    ) -> None:
        self.url, self.fields, self.accepted, self.runner = httpx.URL(url), fields, accepted, runner
        limits = httpx.Limits(max_connections=1, max_keepalive_connections=0)
        self.client = httpx.AsyncClient(verify=_trusted(), headers=HEADERS, limits=limits, timeout=REQUEST_TIMEOUT)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.runner.run(self.client.aclose())

    def ask(self, timeout: float) -> Answer:
        """Ask once, in at most `timeout` seconds."""
        return self.runner.run(self._ask(timeout))

    async def _ask(self, timeout: float) -> Answer:  # noqa: ASYNC109 - becomes an asyncio.timeout, which a drip cannot stretch
        self.client.cookies.clear()  # a load balancer's cookie would keep us at one task
        try:
            async with asyncio.timeout(timeout):
                await addresses.refuse_link_local(self.url)
                async with self.client.stream("GET", self.url) as response:
                    self._require_no_other_answer(response)
                    return await self._read(response)
        except TimeoutError:
            return Answer("no answer", f"no whole answer within {timeout:.3g} s")
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            return Answer("no answer", f"{type(error).__name__}: {printable(str(error)) or 'no reason given'}")

    def _require_no_other_answer(self, response: httpx.Response) -> None:
        """Hear nothing from where the name has come to lead meanwhile."""
        place = response.extensions["network_stream"].get_extra_info("server_addr")
        if place is not None:
            addresses.refuse(self.url, str(place[0]))

    async def _read(self, response: httpx.Response) -> Answer:
        if response.is_redirect:
            return _redirect(self.url, response.headers.get("Location", ""))
        body = bytearray()
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > LONGEST_BODY:
                return Answer("too long", f"the answer is longer than {LONGEST_BODY // 1024} KB")
        if not response.is_success:
            return Answer(
                "status code", f"status {response.status_code}: {printable(body.decode(errors='replace'), 80)}"
            )
        return judge(bytes(body), self.fields, self.accepted)


@cache
def _trusted() -> ssl.SSLContext:
    """Return the certificates that are trusted; reading them takes ten times as long as a request."""
    return httpx.create_ssl_context()


def _alike(one: Answer, other: Answer) -> bool:
    return one.kind == other.kind and (one.kind != "version" or one.version == other.version)


def _redirect(url: httpx.URL, location: str) -> Answer:
    target = url.join(location)
    if target.host.lower() != url.host.lower():
        raise HealthError(
            f"health URL {url} redirects elsewhere: to {printable(str(target))}",
            hint="Name in `health_url` the address that answers itself.",
        )
    return Answer("redirect", f"redirects to {printable(str(target))}")


def _with_fleet(answer: Answer, fleet: Callable[[], str | None]) -> Answer:
    """Return `answer`, unless it is about the version and some task that may have given it is not of the new release."""
    if answer.kind not in {"right", "version"}:
        return answer
    try:
        reason = fleet()
    except PromoterError as error:
        if not error.transient:
            raise
        reason = error.message
    return answer if reason is None else Answer("fleet", f"{answer.detail}, but {printable(reason)}", answer.version)


def _verdict(url: str, tag: str, tally: Tally, pace: Pace) -> str:
    kinds = sorted(tally.kinds.values(), reverse=True)
    lines = [f"    {count} x {detail}" for count, detail in kinds]
    return f"{url} does not answer as {tag} after {pace.seconds:.0f} s and {tally.tries} requests:\n" + "\n".join(lines)
