"""Builds images with `docker buildx`: for several platforms at once, with the layer cache in the registry.

The build ends in a folder, as an OCI image layout; nothing is named before the push. So it may run beside the tests, and the
digest that is pushed is the digest that was built.
"""

import json
import re
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from promoter import shell
from promoter.config import ImageRule
from promoter.errors import CommandError, ImageError
from promoter.images import docker_login, oci_layout
from promoter.images.builders import BuildPlan, Built, Login, is_pushed, open_registry, pushed_image, refuse_root
from promoter.records import Image
from promoter.registry import Registry, split
from promoter.settings import Settings

LAYOUT = "layout"
METADATA = "metadata.json"
REVISION = "org.opencontainers.image.revision"
KEPT_SECONDS = 24 * 3600
"""How long an image that was never pushed stays on disk."""

HINTS = (
    (r"cannot be started", "Install the docker client with its Buildx plugin."),
    (r"is not a docker command|unknown command: docker buildx", "Install Docker's Buildx plugin (docker-buildx)."),
    (
        r"Cannot connect to the Docker daemon|error during connect",
        "Start the Docker engine, or point DOCKER_HOST at it.",
    ),
    (
        r"not supported for the docker driver|does not currently support|exporter is not supported",
        "Turn on the engine's containerd image store, or `docker buildx create --use` a builder.",
    ),
    (r"exec format error", "Let the machine run foreign programs: install qemu-user-static with binfmt support."),
    (
        r"40[13] (?:Unauthorized|Forbidden)|insufficient_scope|denied|no basic auth",
        "Check the registry's credentials and their rights.",
    ),
)
"""What a person can do, by what Buildx says."""
PASSING = re.compile(r"i/o timeout|TLS handshake timeout|connection reset|unexpected status[^\n]*\b(?:429|5\d\d)\b")
"""Complaints about the network, which may be gone at the next try."""


class BuildxBuilder:
    """The builder `buildx` of the configuration."""

    def __init__(self, rule: ImageRule, login: Login | None = None) -> None:
        self._rule = rule
        self._login = login

    def build(self, plan: BuildPlan) -> Built:
        """Build the image into a folder; an image that this commit pushed under this tag already is not built again."""
        with open_registry(self._rule, self._login) as registry:
            present = self._present(registry, plan)
        if present is not None:
            return Built(digest=present)
        folder = _new_folder(plan)
        return Built(folder=folder, digest=self._build(plan, folder))

    def push(self, plan: BuildPlan, built: Built) -> Image:
        """Upload the image, refuse it where it runs as root, and only then name it."""
        if built.folder is not None and not built.folder.is_dir():
            built = self.build(plan)
        with open_registry(self._rule, self._login) as registry:
            digest = self._upload(registry, built)
            refuse_root(registry, digest, plan.platforms)
            if not is_pushed(registry, plan.tag, digest):
                registry.tag(digest, plan.tag)
            image = pushed_image(registry, plan, digest)
        if built.folder is not None:
            shutil.rmtree(built.folder)
        return image

    def try_out(self, plan: BuildPlan) -> str:
        """Build the image into a folder that is removed; the layer cache in the registry is read and not written."""
        folder = _new_folder(plan)
        try:
            return self._build(plan, folder, write_cache=False)
        finally:
            shutil.rmtree(folder)

    def _build(self, plan: BuildPlan, folder: Path, *, write_cache: bool = True) -> str:
        self._run(["docker", "buildx", "version"])
        self._run(build_argv(plan, self._rule, folder, write_cache=write_cache))
        return _built_digest(folder)

    def _present(self, registry: Registry, plan: BuildPlan) -> str | None:
        """Return the digest of the tag where this commit holds it; raise ImageError where another one does."""
        digest = registry.digest(plan.tag)
        if digest is None:
            return None
        labels = [registry.config(digest, platform)["config"].get("Labels") or {} for platform in plan.platforms]
        if any(label.get(REVISION) != plan.commit for label in labels):
            raise ImageError(
                f"{plan.reference} is there already as {digest}, which is not of commit {plan.commit}",
                hint="A tag is pushed once and never moved. Take the next version, or find out who pushed this one.",
            )
        return digest

    def _upload(self, registry: Registry, built: Built) -> str:
        if built.folder is None:
            return str(built.digest)
        return oci_layout.push(registry, built.folder / LAYOUT, source=cache_repository(self._rule))

    def _run(self, argv: Sequence[str]) -> None:
        host, _ = split(self._rule.repository)
        password = [self._login.password.get_secret_value()] if self._login else []
        with docker_login.lend(host, self._login) as environment:
            try:
                shell.run(argv, env=environment, timeout=self._rule.timeout, secrets=password)
            except CommandError as error:
                raise explained(error) from error


def build_argv(plan: BuildPlan, rule: ImageRule, folder: Path, *, write_cache: bool = True) -> list[str]:
    """Return the command that builds `plan` into `folder`; `write_cache=False` only reads the layer cache.

    SOURCE_DATE_EPOCH, in seconds, makes the dates in the image those of the commit; see reproducible-builds.org.
    """
    arguments = {**plan.arguments, "SOURCE_DATE_EPOCH": str(int(plan.build_time.timestamp()))}
    return [
        *("docker", "buildx", "build", "--progress", "plain"),
        *("--file", str(plan.context_folder / rule.dockerfile)),
        *("--platform", ",".join(plan.platforms)),
        *(part for name, value in arguments.items() for part in ("--build-arg", f"{name}={value}")),
        *(part for name, value in plan.labels.items() for part in ("--label", f"{name}={value}")),
        *(cache_options(rule) if write_cache else cache_source(rule)),
        *("--provenance", "mode=max"),
        *("--output", f"type=oci,dest={folder / LAYOUT},tar=false"),
        *("--metadata-file", str(folder / METADATA)),
        str(plan.context_folder),
    ]


def cache_options(rule: ImageRule) -> list[str]:
    """Return the options for the layer cache in the registry; a cache that cannot be written stops nothing.

    `image-manifest` and `oci-mediatypes` make the cache an image as any registry takes it.
    """
    if rule.cache is None:
        return []
    written = f"{_cache_place(rule)},mode=max,image-manifest=true,oci-mediatypes=true,ignore-error=true"
    return [*cache_source(rule), "--cache-to", written]


def cache_source(rule: ImageRule) -> list[str]:
    """Return the option that reads the layer cache and leaves it as it is."""
    return [] if rule.cache is None else ["--cache-from", _cache_place(rule)]


def cache_repository(rule: ImageRule) -> str | None:
    """Return the name of the cache's repository where it is another one of the same registry: layers lie there already."""
    host, name = split(rule.repository)
    cache_host, _, rest = (rule.cache or "").partition("/")
    cache_name = rest.partition("@")[0].partition(":")[0]
    return cache_name if cache_host == host and cache_name != name else None


def explained(error: CommandError) -> ImageError:
    """Return the error of a build with what to do about it."""
    hint = next((hint for pattern, hint in HINTS if re.search(pattern, error.message)), None)
    transient = error.transient or PASSING.search(error.message) is not None
    return ImageError(f"the image cannot be built: {error.message}", hint=hint, transient=transient)


def _cache_place(rule: ImageRule) -> str:
    return f"type=registry,ref={rule.cache}" + (",registry.insecure=true" if rule.insecure else "")


def _built_digest(folder: Path) -> str:
    """Return the digest that Buildx reports, which has to be the one that lies in the folder."""
    reported = str(json.loads((folder / METADATA).read_text()).get("containerimage.digest"))
    found = oci_layout.digest(folder / LAYOUT)
    if reported != found:
        raise ImageError(f"Buildx reports {reported}, and {folder / LAYOUT} holds {found}")
    return found


def _new_folder(plan: BuildPlan) -> Path:
    """Return an empty folder in the cache; what an earlier promotion left there and never pushed is removed."""
    place = Settings().cache / "images"
    place.mkdir(parents=True, exist_ok=True)
    for folder in place.iterdir():
        if folder.stat().st_mtime < time.time() - KEPT_SECONDS:
            shutil.rmtree(folder, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{plan.tag}-", dir=place))
