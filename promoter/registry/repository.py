"""Speaks with one repository of an image registry, and believes nothing that its digest does not prove.

Source: the OCI distribution specification 1.1. Sizes are in bytes, times in seconds.
"""

import re
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import httpx
from pydantic import SecretStr

from promoter.errors import ConfigurationError, ImageError
from promoter.images import oci
from promoter.registry.connection import DOCUMENT_LIMIT, Answer, Connection
from promoter.text import printable

BLOB_LIMIT = 1024**3
"""The largest blob that is read into memory."""
PAGE = 1000
"""How many tags are asked for at a time."""
PAGES = 1000
"""How many pages of tags are read before the registry is taken to go in circles."""

_HOST = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])(?::\d{1,5})?")
_NEXT = re.compile(r'<([^>]*)>\s*;\s*rel="?next"?')


@dataclass(frozen=True)
class Manifest:
    """A manifest or an index, byte for byte as the registry has it."""

    body: bytes
    media_type: str
    digest: str
    """`sha256:…` of `body`."""

    @property
    def document(self) -> oci.Document:
        """The JSON object in `body`."""
        return oci.decode(self.body)

    @property
    def is_index(self) -> bool:
        """Whether it names one manifest per platform instead of layers."""
        return self.media_type in oci.INDEXES


class Registry:
    """The client of the repository `host[:port]/name`; a context manager.

    `insecure` speaks plain HTTP and is for loopback only. `timeout` is the limit of each wait for the network.
    Every method raises ImageError, `transient` where the registry was unreachable, overloaded or broken.
    """

    def __init__(
        self,
        repository: str,
        *,
        username: str | None = None,
        password: SecretStr | None = None,
        insecure: bool = False,
        timeout: float = 30,
    ) -> None:
        self.repository = repository
        self.host, self.name = split(repository)
        self._connection = Connection(
            self.host, self.name, username=username, password=password, insecure=insecure, timeout=timeout
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._connection.close()

    def manifest(self, reference: str) -> Manifest:
        """Return what `reference`, a tag or a digest, names; its digest is computed and compared."""
        found = self._find(reference)
        if found is None:
            raise ImageError(
                f"{self.repository} has no image {reference!r}",
                hint="Push it first, or name a tag that the registry lists.",
            )
        return found

    def digest(self, reference: str) -> str | None:
        """Return the digest of `reference`, computed from its bytes, or None where there is no such image."""
        found = self._find(reference)
        return None if found is None else found.digest

    def put_manifest(self, reference: str, body: bytes, media_type: str) -> str:
        """Store `body` as `reference` and return its digest, which was read back from the registry."""
        _check(reference)
        expected = oci.digest_of(body)
        answer = self._connection.ask(
            "PUT", f"manifests/{reference}", push=True, content=body, headers={"Content-Type": media_type}
        )
        self._expect(answer, {201}, f"does not take the manifest {reference!r}")
        found = self.digest(reference)
        if found != expected:
            raise self._disbelief(f"said yes to {expected} as {reference!r}, and has {found or 'nothing'} there")
        return expected

    def blob(self, digest: str, *, limit: int = BLOB_LIMIT) -> bytes:
        """Return the bytes of `digest`, verified, `limit` bytes at most."""
        answer = self._connection.ask("GET", f"blobs/{digest}", limit=limit)
        self._expect(answer, {200}, f"has no blob {digest}")
        if oci.digest_of(answer.body) != digest:
            raise self._disbelief(f"answered {oci.digest_of(answer.body)} where {digest} was asked")
        return answer.body

    def has_blob(self, digest: str) -> bool:
        """Return whether the repository holds the blob `digest`."""
        answer = self._connection.ask("HEAD", f"blobs/{digest}")
        if answer.status != 404:
            self._expect(answer, {200}, f"cannot say whether it has {digest}")
        return answer.status == 200

    def push_blob(self, data: bytes) -> str:
        """Store `data`, unless it is there, and return its digest."""
        digest = oci.digest_of(data)
        if self.has_blob(digest):
            return digest
        start = self._connection.ask("POST", "blobs/uploads/", push=True)
        self._expect(start, {202}, "does not begin an upload")
        answer = self._connection.ask(
            "PUT",
            _upload(start, digest),
            push=True,
            content=data,
            headers={"Content-Type": "application/octet-stream"},
        )
        self._expect(answer, {201}, f"does not take the blob {digest}")
        if not self.has_blob(digest):
            raise self._disbelief(f"said yes to the blob {digest}, and does not have it")
        return digest

    def mount(self, digest: str, source_name: str) -> bool:
        """Take `digest` over from the repository `source_name` of the same registry; return whether that worked."""
        if self.has_blob(digest):
            return True
        path = f"blobs/uploads/?{httpx.QueryParams({'mount': digest, 'from': source_name})}"
        answer = self._connection.ask("POST", path, push=True, sources=(source_name,))
        self._expect(answer, {201, 202}, f"does not mount {digest} from {source_name}")
        return answer.status == 201 and self.has_blob(digest)

    def platforms(self, reference: str) -> tuple[str, ...]:
        """Return the platforms that `reference` runs on, sorted; attestations have none and are left out."""
        found = self.manifest(reference)
        if found.is_index:
            return tuple(sorted(self._children(found)))
        return (oci.platform_name(self._config_of(found)),)

    def platform_manifest(self, reference: str, platform: str) -> Manifest:
        """Return the manifest of `reference` that is for `platform`."""
        found = self.manifest(reference)
        children = self._children(found) if found.is_index else {self.platforms(found.digest)[0]: found.digest}
        if platform not in children:
            present = printable(", ".join(sorted(children))) or "no platform"
            raise ImageError(
                f"{self.repository}: {reference!r} is not built for {platform}, but for {present}",
                hint="Add the platform to the branch rule and build again.",
            )
        return self.manifest(children[platform])

    def config(self, reference: str, platform: str) -> oci.Document:
        """Return the image configuration of `reference` for `platform`, verified."""
        return self._config_of(self.platform_manifest(reference, platform))

    def tag(self, digest: str, tag: str) -> None:
        """Let `tag` name `digest`: the same bytes under one more name, so that every platform stays."""
        found = self.manifest(digest)
        self.put_manifest(tag, found.body, found.media_type)

    def tags(self) -> list[str]:
        """Return every tag, sorted; none where the repository does not exist yet."""
        found: set[str] = set()
        path = f"tags/list?n={PAGE}"
        for _ in range(PAGES):
            answer = self._connection.ask("GET", path)
            if answer.status == 404:
                return []
            self._expect(answer, {200}, "does not list its tags")
            found.update(map(str, self._json(answer).get("tags") or ()))
            following = _NEXT.search(answer.headers.get("Link", ""))
            if following is None:
                return sorted(found)
            path = following[1]
        raise self._disbelief(f"lists tags on more than {PAGES} pages")

    def _find(self, reference: str) -> Manifest | None:
        _check(reference)
        answer = self._connection.ask(
            "GET", f"manifests/{reference}", headers={"Accept": ", ".join((*oci.INDEXES, *oci.MANIFESTS))}
        )
        if answer.status == 404:
            return None
        self._expect(answer, {200}, f"does not show {reference!r}")
        digest = oci.digest_of(answer.body)
        for claimed in (answer.headers.get("Docker-Content-Digest"), reference if ":" in reference else None):
            if claimed and claimed != digest:
                raise self._disbelief(f"sent {digest} for {reference!r}, which is to be {claimed}")
        media_type = answer.headers.get("Content-Type", "").partition(";")[0].strip()
        if media_type not in (*oci.INDEXES, *oci.MANIFESTS):
            raise self._disbelief(f"sent {media_type or 'an answer of no type'} for {reference!r}")
        self._json(answer)
        return Manifest(answer.body, media_type, digest)

    def _children(self, index: Manifest) -> dict[str, str]:
        """Return platform and digest of each manifest in `index`; Buildx gives attestations an unknown platform."""
        try:
            entries = index.document.get("manifests", [])
            named = {oci.platform_name(entry.get("platform") or {}): str(entry["digest"]) for entry in entries}
        except (KeyError, TypeError, AttributeError) as error:
            raise self._disbelief(f"has an index {index.digest} that cannot be read") from error
        return {platform: digest for platform, digest in named.items() if "unknown" not in platform}

    def _config_of(self, manifest: Manifest) -> oci.Document:
        try:
            digest = manifest.document["config"]["digest"]
            return oci.decode(self.blob(digest, limit=DOCUMENT_LIMIT))
        except (KeyError, TypeError, ValueError) as error:
            raise self._disbelief(f"has no readable configuration for {manifest.digest}") from error

    def _json(self, answer: Answer) -> oci.Document:
        try:
            return oci.decode(answer.body)
        except ValueError as error:
            raise self._disbelief(f"sent an answer that is no JSON object: {answer.body[:60]!r}") from error

    def _expect(self, answer: Answer, statuses: set[int], complaint: str) -> None:
        if answer.status not in statuses:
            raise ImageError(
                f"{self.repository}: the registry {complaint}: {answer.status} {answer.complaint}".rstrip()
            )

    def _disbelief(self, sentence: str) -> ImageError:
        return ImageError(
            f"{self.repository}: the registry {printable(sentence, 400)}",
            hint="Nothing of it is used. Is something else answering in the registry's place?",
            transient=True,
        )


def split(repository: str) -> tuple[str, str]:
    """Return host and name of `host[:port]/name`, or raise ConfigurationError."""
    host, _, name = repository.partition("/")
    if not _HOST.fullmatch(host) or not oci.NAME.fullmatch(name):
        raise ConfigurationError(
            f"{repository!r} is no image repository: host[:port]/name was expected, in lower case",
            hint="For example ghcr.io/owner/name; the tag does not belong to it.",
        )
    return host, name


def _check(reference: str) -> None:
    if not oci.TAG.fullmatch(reference) and not oci.DIGEST.fullmatch(reference):
        raise ImageError(f"{reference!r} is neither a tag nor a digest", hint="For example v1.0.3-test.")


def _upload(start: Answer, digest: str) -> str:
    location = start.headers.get("Location", "")
    return f"{location}{'&' if '?' in location else '?'}{httpx.QueryParams({'digest': digest})}"
