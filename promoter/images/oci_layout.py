"""Brings an image that lies in a folder into a registry, under its digest and without a name.

Source: the image layout of the OCI image specification 1.1, as `docker buildx build --output type=oci,tar=false` writes it.
"""

from pathlib import Path

from promoter.errors import ImageError
from promoter.images import oci
from promoter.registry import Registry


def digest(layout: Path) -> str:
    """Return the digest of the one image in `layout`; raise ImageError where there is none, or more than one."""
    try:
        found = [str(entry["digest"]) for entry in oci.decode((layout / "index.json").read_bytes())["manifests"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ImageError(f"{layout} is no OCI image layout: {error!r}") from error
    if len(found) != 1:
        raise ImageError(f"{layout} holds {len(found)} images, expected one")
    return found[0]


def push(registry: Registry, layout: Path, *, source: str | None = None) -> str:
    """Upload the image in `layout`, children first, and return its digest; what the registry has is not sent again.

    `source` is another repository of the same registry, which may hold some of the parts already.
    """
    top = digest(layout)
    _push_manifest(registry, layout, top, source)
    return top


def _push_manifest(registry: Registry, layout: Path, reference: str, source: str | None) -> None:
    body = _read(layout, reference)
    document = oci.decode(body)
    for child in document.get("manifests", ()):
        _push_manifest(registry, layout, child["digest"], source)
    for part in (document["config"], *document["layers"]) if "config" in document else ():
        if source is None or not registry.mount(part["digest"], source):
            registry.push_blob(_read(layout, part["digest"]))
    registry.put_manifest(reference, body, document["mediaType"])


def _read(layout: Path, reference: str) -> bytes:
    if not oci.DIGEST.fullmatch(reference):
        raise ImageError(f"{layout} names a part {reference!r}, which is no digest")
    try:
        data = (layout / "blobs" / reference.replace(":", "/")).read_bytes()
    except OSError as error:
        raise ImageError(f"{layout} lacks the part {reference}: {error}", hint="Build the image again.") from error
    if oci.digest_of(data) != reference:
        raise ImageError(f"{layout}: the part {reference} was changed on disk", hint="Build the image again.")
    return data
