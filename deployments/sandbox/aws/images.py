"""Pulls images from a registry and keeps them unpacked, one folder per digest."""

import platform
import shutil
import sys
import tempfile
import threading
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from deployments.sandbox.aws.layers import LayerError, unpack
from deployments.sandbox.aws.refusals import StartError
from promoter.errors import PromoterError
from promoter.images import oci
from promoter.registry import Manifest, Registry

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
ARCHITECTURES = {"x86_64": "amd64", "AMD64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


@dataclass(frozen=True)
class Reference:
    """`host:port/name[:tag][@sha256:…]`, taken apart."""

    repository: str
    tag: str | None
    digest: str | None

    @property
    def wanted(self) -> str:
        """What to ask the registry for: the digest, where there is one."""
        return self.digest or self.tag or "latest"


@dataclass(frozen=True)
class UnpackedImage:
    """An image on disk; nobody writes to it."""

    root: Path
    """Its files."""
    digest: str
    """What the reference resolved to: the digest of the index, or of the only manifest."""
    config: oci.Document
    """Env, Entrypoint, Cmd, WorkingDir, User."""


def parse(reference: str) -> Reference:
    """Take an image reference apart."""
    rest, _, digest = reference.partition("@")
    head, slash, last = rest.rpartition("/")
    name, _, tag = last.partition(":")
    return Reference(f"{head}{slash}{name}", tag or None, digest or None)


def host_platforms() -> tuple[str, ...]:
    """Return the platforms whose processes run on this machine, the best one first."""
    architecture = ARCHITECTURES.get(platform.machine(), platform.machine())
    return ((f"darwin/{architecture}",) if sys.platform == "darwin" else ()) + (f"linux/{architecture}",)


class ImageStore:
    """The images of one sandbox, under `folder`; safe to use from several threads."""

    def __init__(
        self,
        folder: Path,
        *,
        username: str | None = None,
        password: SecretStr | None = None,
        platforms: Sequence[str] | None = None,
    ) -> None:
        self._folder = folder
        self._credentials = username, password
        self._platforms = tuple(platforms or host_platforms())
        self._guard = threading.Lock()
        self._pulls: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        folder.mkdir(parents=True, exist_ok=True)

    def pull(self, reference: str) -> UnpackedImage:
        """Return the unpacked image; what is here already is not asked for again, unless a tag names it.

        Raises StartError with the words of ECS.
        """
        wanted = parse(reference)
        try:
            return self._pull(wanted)
        except (PromoterError, LayerError, KeyError, TypeError, ValueError) as error:
            raise StartError(
                f"CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref {reference}: "
                f"{_first_line(error)}"
            ) from error

    def _pull(self, wanted: Reference) -> UnpackedImage:
        known = self._load(wanted.digest) if wanted.digest else None
        if known:
            return known
        username, password = self._credentials
        insecure = wanted.repository.startswith(LOOPBACK)
        with Registry(wanted.repository, username=username, password=password, insecure=insecure) as registry:
            top = registry.manifest(wanted.wanted)
            with self._lock(top.digest):
                return self._load(top.digest) or self._unpack(registry, top)

    def _unpack(self, registry: Registry, top: Manifest) -> UnpackedImage:
        manifest = registry.manifest(choose(top.document, self._platforms)) if top.is_index else top
        scratch = Path(tempfile.mkdtemp(prefix=".pull-", dir=self._folder))
        try:
            (scratch / "root").mkdir()
            for layer in manifest.document["layers"]:
                unpack(registry.blob(layer["digest"]), scratch / "root")
            (scratch / "config.json").write_bytes(registry.blob(manifest.document["config"]["digest"]))
            scratch.chmod(0o755)
            scratch.rename(self._place(top.digest))
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        return _read(self._place(top.digest), top.digest)

    def _load(self, digest: str) -> UnpackedImage | None:
        place = self._place(digest)
        return _read(place, digest) if place.is_dir() else None

    def _place(self, digest: str) -> Path:
        return self._folder / digest.replace(":", "-")

    def _lock(self, digest: str) -> threading.Lock:
        with self._guard:
            return self._pulls[digest]


def choose(index: oci.Document, platforms: Sequence[str]) -> str:
    """Return the digest of the manifest in `index` for the first of `platforms` that it has; raise ValueError."""
    entries = {oci.platform_name(entry.get("platform") or {}): entry["digest"] for entry in index["manifests"]}
    for name in platforms:
        if name in entries:
            return str(entries[name])
    raise ValueError(f"image Manifest does not contain descriptor matching platform '{platforms[0]}'")


def _read(place: Path, digest: str) -> UnpackedImage:
    document = oci.decode((place / "config.json").read_bytes())
    return UnpackedImage(place / "root", digest, document.get("config") or {})


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
