"""Keeps blobs, manifests and tags in one folder, content-addressed; every write is complete or not there at all.

    blobs/sha256/HEX                      the bytes of blobs and manifests, shared by all repositories
    repositories/NAME/_blobs/HEX          this repository holds the blob
    repositories/NAME/_manifests/HEX      this repository holds the manifest; the file says its media type
    repositories/NAME/_tags/TAG           the digest that the tag names
    repositories/NAME/_uploads/SESSION    an upload under way

No part of a repository's name begins with `_`, so the names never meet.
"""

import hashlib
import uuid
from dataclasses import dataclass
from pathlib import Path

from deployments.sandbox.registry.refusals import Refusal
from promoter.images import oci


@dataclass(frozen=True)
class StoredManifest:
    """A manifest as it was put."""

    body: bytes
    media_type: str
    digest: str


class Store:
    """The registry's folder; names and digests have been checked by the caller."""

    def __init__(self, folder: Path) -> None:
        self._blobs = folder / "blobs" / "sha256"
        self._repositories = folder / "repositories"
        for part in (self._blobs, self._repositories):
            part.mkdir(parents=True, exist_ok=True)

    def blob(self, name: str, digest: str) -> Path:
        """Return the file of a blob that the repository holds."""
        if not self._mark(name, "_blobs", digest).is_file():
            raise Refusal("BLOB_UNKNOWN", f"{name} has no blob {digest}")
        return self._content(digest)

    def has_blob(self, name: str, digest: str) -> bool:
        """Return whether the repository holds the blob."""
        return self._mark(name, "_blobs", digest).is_file()

    def mount(self, name: str, digest: str, source: str) -> bool:
        """Let `name` hold a blob of `source`; return whether `source` has it."""
        if not self.has_blob(source, digest):
            return False
        write(self._mark(name, "_blobs", digest), b"")
        return True

    def delete_blob(self, name: str, digest: str) -> None:
        """Let the repository forget a blob; other repositories keep it."""
        self.blob(name, digest)
        self._mark(name, "_blobs", digest).unlink()

    def begin_upload(self, name: str) -> str:
        """Begin an upload and return its session."""
        session = uuid.uuid4().hex
        path = self._repositories / name / "_uploads" / session
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        return session

    def upload(self, name: str, session: str) -> Path:
        """Return the file of an upload under way."""
        path = self._repositories / name / "_uploads" / session
        if not session.isalnum() or not path.is_file():
            raise Refusal("BLOB_UPLOAD_UNKNOWN", f"{name} has no upload {session}")
        return path

    def finish_upload(self, name: str, session: str, digest: str) -> None:
        """Make a blob of an upload, provided that its bytes have this digest; otherwise drop it."""
        path = self.upload(name, session)
        with path.open("rb") as file:
            found = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
        if found != digest:
            path.unlink()
            raise Refusal("DIGEST_INVALID", f"the upload is {found}, not {digest}")
        path.replace(self._content(digest))
        write(self._mark(name, "_blobs", digest), b"")

    def manifest(self, name: str, reference: str) -> StoredManifest:
        """Return the manifest that a tag or digest names."""
        digest = reference
        if oci.TAG.fullmatch(reference):
            tag = self._repositories / name / "_tags" / reference
            digest = tag.read_text() if tag.is_file() else ""
        if not self.has_manifest(name, digest):
            raise Refusal("MANIFEST_UNKNOWN", f"{name} has no manifest {reference}")
        media_type = self._mark(name, "_manifests", digest).read_text()
        return StoredManifest(self._content(digest).read_bytes(), media_type, digest)

    def has_manifest(self, name: str, digest: str) -> bool:
        """Return whether the repository holds the manifest."""
        return bool(oci.DIGEST.fullmatch(digest)) and self._mark(name, "_manifests", digest).is_file()

    def put_manifest(self, name: str, body: bytes, media_type: str, tag: str | None) -> str:
        """Keep a manifest, let `tag` name it, and return its digest."""
        digest = oci.digest_of(body)
        write(self._content(digest), body)
        write(self._mark(name, "_manifests", digest), media_type.encode())
        if tag:
            write(self._repositories / name / "_tags" / tag, digest.encode())
        return digest

    def delete_manifest(self, name: str, reference: str) -> None:
        """Forget a tag, or a manifest with every tag that names it."""
        found = self.manifest(name, reference)
        tags = self._repositories / name / "_tags"
        if reference != found.digest:
            (tags / reference).unlink()
            return
        for tag in tags.glob("*"):
            if tag.read_text() == found.digest:
                tag.unlink()
        self._mark(name, "_manifests", found.digest).unlink()

    def tags(self, name: str) -> list[str]:
        """Return the repository's tags, sorted."""
        if not (self._repositories / name / "_manifests").is_dir():
            raise Refusal("NAME_UNKNOWN", f"there is no repository {name}")
        return sorted(tag.name for tag in (self._repositories / name / "_tags").glob("[!.]*"))

    def names(self) -> list[str]:
        """Return the names of all repositories that hold a manifest, sorted."""
        found = self._repositories.rglob("_manifests")
        return sorted(path.parent.relative_to(self._repositories).as_posix() for path in found)

    def _content(self, digest: str) -> Path:
        return self._blobs / digest.removeprefix("sha256:")

    def _mark(self, name: str, kind: str, digest: str) -> Path:
        return self._repositories / name / kind / digest.removeprefix("sha256:")


def write(path: Path, data: bytes) -> None:
    """Write `data` to `path` in one step: a reader sees the old bytes or the new ones."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{uuid.uuid4().hex}")
    draft.write_bytes(data)
    draft.replace(path)
