"""Puts a small image together out of a few files and pushes it; for trying the sandbox out, and for its tests."""

import io
import tarfile
from collections.abc import Mapping, Sequence

from deployments.sandbox.aws.images import host_platforms
from promoter.images import oci
from promoter.registry import Registry


def push(
    repository: str,
    tag: str,
    files: Mapping[str, bytes],
    config: oci.Document,
    platforms: Sequence[str] | None = None,
) -> str:
    """Push an image and return its pinned reference, `repository:tag@sha256:…`.

    `files` are paths without a leading slash and what is in them; `config` is Env, Cmd, WorkingDir and their like;
    `platforms` are by default those of this machine.
    """
    with Registry(repository, insecure=True) as registry:
        layer = archive(files)
        registry.push_blob(layer)
        entries = [_push_one(registry, layer, config, name) for name in platforms or host_platforms()]
        index = oci.encode({"schemaVersion": 2, "mediaType": oci.INDEX, "manifests": entries})
        return f"{repository}:{tag}@{registry.put_manifest(tag, index, oci.INDEX)}"


def archive(files: Mapping[str, bytes]) -> bytes:
    """Return a layer with `files`."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as layer:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(data), 0o755
            layer.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def _push_one(registry: Registry, layer: bytes, config: oci.Document, platform: str) -> oci.Document:
    rootfs = {"type": "layers", "diff_ids": [oci.digest_of(layer)]}
    document = oci.encode({**oci.platform_fields(platform), "config": config, "rootfs": rootfs})
    registry.push_blob(document)
    manifest = oci.encode(
        {
            "schemaVersion": 2,
            "mediaType": oci.MANIFEST,
            "config": oci.descriptor(oci.CONFIG, document),
            "layers": [oci.descriptor(oci.LAYER, layer)],
        }
    )
    registry.put_manifest(oci.digest_of(manifest), manifest, oci.MANIFEST)
    return {**oci.descriptor(oci.MANIFEST, manifest), "platform": oci.platform_fields(platform)}
