"""Asks one image registry over HTTP: logs in when it is asked to, follows redirects, reads no more than it must.

Source: the OCI distribution specification 1.1. Sizes are in bytes, times in seconds.
"""

import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass

import httpx
from pydantic import SecretStr

from promoter.errors import ImageError
from promoter.images import oci
from promoter.registry import login as registry_login
from promoter.text import printable

DOCUMENT_LIMIT = 4 * 1024**2
"""The largest manifest that registries have to take; no other document is larger."""
COMPLAINT_LIMIT = 64 * 1024
"""How much is read of an answer that says no."""
SLOWEST = 64 * 1024
"""Bytes a second; an answer that comes slower than that is not waited for, however steadily it drips."""
REDIRECTS = 5


@dataclass(frozen=True)
class Answer:
    """What the registry answered, whatever the status."""

    status: int
    headers: httpx.Headers
    body: bytes

    @property
    def complaint(self) -> str:
        """The registry's own words for what is wrong; "" where it has none."""
        try:
            first = oci.decode(self.body)["errors"][0]
            return printable(f"{first.get('code', '')}: {first.get('message', '')}")
        except (ValueError, LookupError, TypeError, AttributeError):
            return ""


class Connection:
    """The connections to one registry, for one repository.

    Credentials go to the registry itself and to the token endpoint that it names, never to where it redirects.
    """

    def __init__(
        self,
        host: str,
        name: str,
        *,
        username: str | None,
        password: SecretStr | None,
        insecure: bool,
        timeout: float,
    ) -> None:
        self._host = host
        self._name = name
        self._credentials = (username, password) if username and password else None
        self._insecure = insecure
        self._timeout = timeout
        self._origin = httpx.URL(f"{'http' if insecure else 'https'}://{host}")
        self._authorizations: dict[str, str] = {}
        self._client = httpx.Client(
            timeout=timeout,
            trust_env=not insecure,
            # Plain HTTP needs no certificate authorities, which take 30 ms to load; without them, HTTPS is refused.
            verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if insecure else True,
            headers={"Accept-Encoding": "identity", "User-Agent": "promoter"},
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def ask(
        self,
        method: str,
        path: str,
        *,
        push: bool = False,
        sources: tuple[str, ...] = (),
        limit: int = DOCUMENT_LIMIT,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
    ) -> Answer:
        """Return the answer to a request; `path` is relative to the repository, or what a header `Location` says.

        `push` asks for the right to write, `sources` for the right to read other repositories; `limit` is in bytes.
        Raises ImageError where the registry refuses the credentials, is unreachable, overloaded, broken, or sends too much.
        """
        url = self._url(f"{self._origin}/v2/{self._name}/", path)
        scope = registry_login.scope(self._name, push=push, sources=sources)
        at_home = (url.scheme, url.netloc) == (self._origin.scheme, self._origin.netloc)
        answer = self._send(self._request(method, url, headers, content, scope if at_home else None), limit)
        if answer.status == 401 and at_home:
            self._authorizations[scope] = self._log_in(answer, scope)
            answer = self._send(self._request(method, url, headers, content, scope), limit)
        if answer.status in {401, 403}:
            raise self._refusal(answer)
        return self._able(answer)

    def _url(self, base: str, text: str) -> httpx.URL:
        try:
            return httpx.URL(base).join(text)
        except httpx.InvalidURL as error:
            raise self._disbelief(f"sends {text[:80]!r} as an address") from error

    def _request(
        self, method: str, url: httpx.URL, headers: Mapping[str, str] | None, content: bytes | None, scope: str | None
    ) -> httpx.Request:
        known = self._authorizations.get(scope or "")
        added = {"Authorization": known} if known else {}
        return self._client.build_request(method, url, headers={**(headers or {}), **added}, content=content)

    def _log_in(self, answer: Answer, scope: str) -> str:
        """Return the header `Authorization` that the challenge in `answer` asks for."""
        asked = registry_login.challenge(answer.headers.get("WWW-Authenticate"))
        if asked.scheme == "bearer" and "realm" in asked.parameters:
            return f"Bearer {self._token(asked, scope)}"
        if asked.scheme == "basic" and self._credentials:
            return registry_login.basic(*self._credentials)
        raise self._refusal(answer)

    def _token(self, asked: registry_login.Challenge, scope: str) -> str:
        realm = self._url("", asked.parameters["realm"])
        if realm.scheme != "https" and not self._insecure:
            raise self._disbelief(f"wants its credentials sent unencrypted, to {realm.host}")
        query: dict[str, str | list[str]] = {"scope": scope.split()}
        if "service" in asked.parameters:
            query["service"] = asked.parameters["service"]
        headers = {"Authorization": registry_login.basic(*self._credentials)} if self._credentials else {}
        request = self._client.build_request("GET", realm.copy_merge_params(query), headers=headers)
        answer = self._able(self._send(request, DOCUMENT_LIMIT))
        if answer.status != 200:
            raise self._refusal(answer)
        return self._read_token(answer)

    def _read_token(self, answer: Answer) -> str:
        try:
            document = oci.decode(answer.body)
        except ValueError as error:
            raise self._disbelief("sends a token that cannot be read") from error
        token = document.get("token") or document.get("access_token")
        if not isinstance(token, str) or not token.isascii() or not token.isprintable():
            raise self._disbelief("sends no token where it promised one")
        return token

    def _send(self, request: httpx.Request, limit: int) -> Answer:
        try:
            for _ in range(REDIRECTS):
                response = self._client.send(request, stream=True)
                try:
                    if response.next_request is None:
                        return Answer(response.status_code, response.headers, self._read(response, limit))
                    request = response.next_request
                finally:
                    response.close()
        except httpx.TransportError as error:
            raise ImageError(
                f"{self._host} cannot be asked for {self._name}: {type(error).__name__}: {printable(str(error))}",
                hint="Is the registry up, and is its name right?",
                transient=True,
            ) from error
        except (httpx.RequestError, httpx.InvalidURL) as error:
            raise self._disbelief(f"sends what cannot be read: {error}") from error
        raise self._disbelief(f"redirects more than {REDIRECTS} times")

    def _read(self, response: httpx.Response, limit: int) -> bytes:
        data, until = bytearray(), time.monotonic() + self._timeout + limit / SLOWEST
        for part in response.iter_raw():  # unpacked was nothing asked for: a small answer could become a huge one
            data += part
            if time.monotonic() > until:
                raise self._disbelief("drips, and comes to no end")
            if not response.is_success and len(data) > COMPLAINT_LIMIT:
                break
            if len(data) > limit:
                raise self._disbelief(f"sends more than the {limit} bytes that such an answer may have")
        return bytes(data)

    def _able(self, answer: Answer) -> Answer:
        if answer.status in {408, 429} or answer.status >= 500:
            raise ImageError(f"{self._host} answers {answer.status} for {self._name}", transient=True)
        return answer

    def _refusal(self, answer: Answer) -> ImageError:
        who = f"of {self._credentials[0]!r}" if self._credentials else "(there are none)"
        return ImageError(
            f"{self._host} refuses the credentials {who} for {self._name}: {answer.status} {answer.complaint}".rstrip(),
            hint="Check the user name, the token and its right to read and write packages.",
        )

    def _disbelief(self, sentence: str) -> ImageError:
        return ImageError(
            f"{self._host}, asked for {self._name}, {printable(sentence, 400)}",
            hint="Nothing of it is used. Is something else answering in the registry's place?",
        )
