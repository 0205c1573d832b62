"""What OCI images are made of: media types, digests, descriptors and the exact bytes of a document.

Source: the OCI image specification 1.1 and Docker's image manifest version 2, schema 2.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"

INDEXES = (INDEX, DOCKER_INDEX)
MANIFESTS = (MANIFEST, DOCKER_MANIFEST)

DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
NAME = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*")

Document = dict[str, Any]
"""A JSON object, as `json.loads` returns it."""


def digest_of(data: bytes) -> str:
    """Return `sha256:…` of `data`."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def encode(document: Mapping[str, Any]) -> bytes:
    """Return the one spelling of `document`: sorted keys, no spaces, so that equal documents have equal digests."""
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def decode(data: bytes) -> Document:
    """Return the JSON object in `data`; raise ValueError where it is none."""
    document = json.loads(data)
    if not isinstance(document, dict):
        msg = f"a JSON object was expected, not {type(document).__name__}"
        raise ValueError(msg)  # noqa: TRY004 - callers ask one question: is it an object or not?
    return document


def descriptor(media_type: str, data: bytes) -> Document:
    """Return what points at `data` from another document."""
    return {"mediaType": media_type, "digest": digest_of(data), "size": len(data)}


def platform_name(platform: Mapping[str, Any]) -> str:
    """Return `os/architecture[/variant]`; arm64's only variant, `v8`, goes without saying."""
    name = f"{platform.get('os', 'unknown')}/{platform.get('architecture', 'unknown')}"
    variant = platform.get("variant")
    return name if not variant or (name, variant) == ("linux/arm64", "v8") else f"{name}/{variant}"


def platform_fields(name: str) -> dict[str, str]:
    """Return the fields of an index entry for `os/architecture[/variant]`, the inverse of `platform_name`."""
    return dict(zip(("os", "architecture", "variant"), name.split("/"), strict=False))
