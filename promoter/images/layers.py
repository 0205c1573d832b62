"""Puts images together without a daemon: locked dependencies, sources, a command; equal plans give equal digests.

Each platform gets the layers of the base image, if there is one, its dependencies in `/opt/dependencies`, and the sources in `/app`.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from promoter.config import ImageRule, Layers
from promoter.errors import ConfigurationError, ImageError
from promoter.images import dependency_layers, layer_archives, oci
from promoter.images.builders import BuildPlan, Built, Login, is_pushed, open_registry, pushed_image, refuse_root
from promoter.images.layer_archives import Layer
from promoter.records import Image
from promoter.registry import Registry, split
from promoter.settings import Settings

DEPENDENCIES = f"/{dependency_layers.FOLDER}"
SEARCHED = f"{DEPENDENCIES}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""PATH of the image: scripts of the dependencies first."""


@dataclass(frozen=True)
class Base:
    """The image below ours, for one platform; an empty one where there is none."""

    name: str | None
    """Its repository, in our registry."""
    config: oci.Document
    """Its image configuration."""
    layers: tuple[oci.Document, ...]
    """What its manifest says of its layers."""


NOTHING = Base(None, {}, ())


@dataclass(frozen=True)
class Part:
    """The image of one platform."""

    platform: str
    base: Base
    layers: tuple[Layer, ...]
    config: bytes
    manifest: bytes

    @property
    def entry(self) -> oci.Document:
        """What the index says of it."""
        return {**oci.descriptor(oci.MANIFEST, self.manifest), "platform": oci.platform_fields(self.platform)}


class LayersBuilder:
    """The builder `layers` of the configuration.

    What `build` made waits in this object for `push`; another object puts it together again and insists on the same digest.
    """

    def __init__(self, rule: ImageRule, login: Login | None = None, *, cache: Path | None = None) -> None:
        if rule.layers is None:
            raise ConfigurationError("builder 'layers' needs a table [image.layers]")
        self._rule = rule
        self._layers = rule.layers
        self._login = login
        self._cache = (cache or Settings().cache) / "layers"
        self._ready: dict[str, list[Part]] = {}

    def build(self, plan: BuildPlan) -> Built:
        """Install the dependencies for every platform and put the image together; nothing is sent."""
        parts = self._assemble(plan)
        digest = oci.digest_of(index_of(parts))
        with open_registry(self._rule, self._login) as registry:
            is_pushed(registry, plan.tag, digest)
        self._ready[digest] = parts
        return Built(digest=digest)

    def push(self, plan: BuildPlan, built: Built) -> Image:
        """Upload the layers, refuse the image where it runs as root, and only then name it."""
        parts = self._ready.pop(built.digest or "", None) or self._assemble(plan)
        digest = oci.digest_of(index_of(parts))
        if built.digest not in {None, digest}:
            raise ImageError(
                f"{plan.reference} was built as {built.digest}, and its sources now give {digest}",
                hint="Something wrote into the checkout, or the base image was moved. Build again.",
            )
        with open_registry(self._rule, self._login) as registry:
            present = is_pushed(registry, plan.tag, digest)
            if not present:
                upload(registry, parts)
            refuse_root(registry, digest, plan.platforms)
            if not present:
                registry.tag(digest, plan.tag)
            return pushed_image(registry, plan, digest)

    def try_out(self, plan: BuildPlan) -> str:
        """Put the image together and forget it; of the registry only the base image is read."""
        return oci.digest_of(index_of(self._assemble(plan)))

    def _assemble(self, plan: BuildPlan) -> list[Part]:
        requirements = dependency_layers.requirements_of(plan.checkout, plan.dependencies, self._cache)
        entries = layer_archives.sources(plan.context_folder, self._layers.include)
        sources = layer_archives.pack(entries, mtime=int(plan.build_time.timestamp()))

        def part(platform: str) -> Part:
            python = plan.dependencies.python
            installed = dependency_layers.layer(requirements, platform, python, self._cache)
            base = self._base(platform)
            return assemble(plan, self._layers, platform, base, (installed, sources))

        with ThreadPoolExecutor() as pool:
            return list(pool.map(part, sorted(plan.platforms)))

    def _base(self, platform: str) -> Base:
        if self._layers.base is None:
            return NOTHING
        host, _ = split(self._rule.repository)
        name, reference = _parted(self._layers.base)
        rule = self._rule.model_copy(update={"repository": f"{host}/{name}"})
        with open_registry(rule, self._login) as registry:
            manifest = registry.platform_manifest(reference, platform)
            layers = tuple(_as_oci(layer) for layer in manifest.document["layers"])
            return Base(name, registry.config(manifest.digest, platform), layers)


def upload(registry: Registry, parts: list[Part]) -> None:
    """Send what the registry lacks of each platform, and the index, under their digests and without a name."""
    for part in parts:
        for entry in part.base.layers:
            if not registry.mount(entry["digest"], str(part.base.name)):
                raise ImageError(f"{registry.host} does not mount {entry['digest']} of {part.base.name}")
        for layer in part.layers:
            if not registry.has_blob(layer.digest):
                registry.push_blob(layer.read())
        registry.push_blob(part.config)
        registry.put_manifest(oci.digest_of(part.manifest), part.manifest, oci.MANIFEST)
    index = index_of(parts)
    registry.put_manifest(oci.digest_of(index), index, oci.INDEX)


def assemble(plan: BuildPlan, rule: Layers, platform: str, base: Base, layers: tuple[Layer, ...]) -> Part:
    """Return the image of `platform`: configuration and manifest over the layers of `base` and our own."""
    config = oci.encode(configuration(plan, rule, platform, base, layers))
    manifest = oci.encode(
        {
            "schemaVersion": 2,
            "mediaType": oci.MANIFEST,
            "config": oci.descriptor(oci.CONFIG, config),
            "layers": [*base.layers, *(layer.descriptor for layer in layers)],
        }
    )
    return Part(platform, base, layers, config, manifest)


def configuration(
    plan: BuildPlan, rule: Layers, platform: str, base: Base, layers: tuple[Layer, ...]
) -> dict[str, Any]:
    """Return the image configuration: what `base` says, and ours over it."""
    below = base.config.get("config") or {}
    inherited = dict(line.partition("=")[::2] for line in below.get("Env") or ())
    ours = {"PATH": SEARCHED, "PYTHONPATH": f"/app:{DEPENDENCIES}", **rule.variables, **plan.arguments}
    history = [{"created": plan.created, "created_by": step} for step in ("locked dependencies", "sources")]
    return {
        **oci.platform_fields(platform),
        "created": plan.created,
        "config": {
            "Env": [f"{name}={value}" for name, value in sorted({**inherited, **ours}.items())],
            "WorkingDir": "/app",
            "Cmd": list(rule.command),
            "User": rule.user,
            "ExposedPorts": {f"{rule.port}/tcp": {}},
            "Labels": {**(below.get("Labels") or {}), **plan.labels},
        },
        "rootfs": {
            "type": "layers",
            "diff_ids": [*base.config.get("rootfs", {}).get("diff_ids", ()), *(layer.diff_id for layer in layers)],
        },
        "history": [*base.config.get("history", ()), *history],
    }


def index_of(parts: list[Part]) -> bytes:
    """Return the index that names every part."""
    return oci.encode({"schemaVersion": 2, "mediaType": oci.INDEX, "manifests": [part.entry for part in parts]})


def _parted(base: str) -> tuple[str, str]:
    """Return name and reference of `name:tag` or `name@sha256:…`."""
    name, at, reference = base.partition("@") if "@" in base else base.partition(":")
    if not at:
        raise ConfigurationError(f"base image {base!r} names no tag", hint="For example base/python:3.11-slim.")
    return name, reference


def _as_oci(entry: oci.Document) -> oci.Document:
    """Return a layer's entry with OCI's media type in place of Docker's; the bytes are the same."""
    gzipped = entry["mediaType"].endswith(("tar.gzip", "tar+gzip"))
    return {
        "mediaType": oci.LAYER if gzipped else entry["mediaType"],
        "digest": entry["digest"],
        "size": entry["size"],
    }
