"""Packs files into image layers so that equal files give equal bytes: sorted, of nobody, and of one moment.

Source: the layer of the OCI image specification 1.1, a gzipped tar archive.
"""

import gzip
import io
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from promoter.errors import ImageError
from promoter.images import oci

LEFT_OUT = {".git", "__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".venv"}
"""Folders that programs leave in a checkout, the tests beside us above all."""


@dataclass(frozen=True)
class Layer:
    """A layer as it goes to a registry."""

    digest: str
    """Of the gzipped archive."""
    size: int
    """Of the gzipped archive, in bytes."""
    diff_id: str
    """The digest of the archive itself."""
    content: bytes | Path
    """The gzipped archive, or the file that holds it."""

    @property
    def descriptor(self) -> oci.Document:
        """What points at it from a manifest."""
        return {"mediaType": oci.LAYER, "digest": self.digest, "size": self.size}

    def read(self) -> bytes:
        """Return the gzipped archive; raise ImageError where the file is gone or was changed."""
        try:
            data = self.content if isinstance(self.content, bytes) else self.content.read_bytes()
        except OSError as error:
            raise ImageError(f"layer {self.digest} cannot be read: {error}", hint="Build the image again.") from error
        if oci.digest_of(data) != self.digest:
            raise ImageError(f"layer {self.digest} was changed in {self.content!s:.200}", hint="Delete that file.")
        return data


@dataclass(frozen=True)
class Entry:
    """A file, a folder or a link, and its name in the image."""

    name: str
    """Without a slash at the beginning."""
    path: Path


def sources(context: Path, include: Sequence[str]) -> list[Entry]:
    """Return what `include` names below `context`, with its names below `app`.

    Raises ImageError for a path that does not exist, that leaves the context, also by a link, or that is no plain file.
    """
    entries: dict[str, Entry] = {}
    for part in include:
        path = _inside(context, part)
        for found in (path, *_below(path)):
            _check(context, found)
            name = (PurePosixPath("app") / found.relative_to(context).as_posix()).as_posix()
            entries[name] = Entry(name, found)
    return list(entries.values())


def tree(root: Path, name: str) -> list[Entry]:
    """Return everything below `root`, what Python compiled there too, as the image's folder `name`."""
    return [Entry(f"{name}/{path.relative_to(root).as_posix()}", path) for path in sorted(root.rglob("*"))]


def pack(entries: Iterable[Entry], mtime: int) -> Layer:
    """Return the layer of `entries` and the folders that lead to them; `mtime` is in seconds since 1970."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        named = {entry.name: entry.path for entry in entries}
        folders = {str(parent) for name in named for parent in PurePosixPath(name).parents} - {"."}
        for name in sorted({*named, *folders}):
            _add(archive, name, named.get(name), mtime)
    data = buffer.getvalue()
    packed = gzip.compress(data, 6, mtime=0)
    return Layer(oci.digest_of(packed), len(packed), oci.digest_of(data), packed)


def _add(archive: tarfile.TarFile, name: str, path: Path | None, mtime: int) -> None:
    member = tarfile.TarInfo(name)
    member.mtime = mtime
    member.mode = 0o755
    if path is None or (path.is_dir() and not path.is_symlink()):
        member.type = tarfile.DIRTYPE
        archive.addfile(member)
    elif path.is_symlink():
        member.type, member.mode, member.linkname = tarfile.SYMTYPE, 0o777, str(path.readlink())
        archive.addfile(member)
    else:
        data = path.read_bytes()
        member.size = len(data)
        member.mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
        archive.addfile(member, io.BytesIO(data))


def _inside(context: Path, part: str) -> Path:
    if PurePosixPath(part).is_absolute() or ".." in PurePosixPath(part).parts:
        raise ImageError(f"[image.layers] includes {part!r}, which is not below {context}")
    path = context / part
    if not path.exists() and not path.is_symlink():
        raise ImageError(
            f"[image.layers] includes {part!r}, and {path} does not exist",
            hint="Name files and folders of the repository, from the image's context.",
        )
    return path


def _below(folder: Path) -> Iterator[Path]:
    if folder.is_symlink() or not folder.is_dir():
        return
    for path in folder.iterdir():
        if path.name not in LEFT_OUT and path.suffix != ".pyc":
            yield path
            yield from _below(path)


def _check(context: Path, path: Path) -> None:
    if not path.resolve().is_relative_to(context.resolve()) or (path.is_symlink() and path.readlink().is_absolute()):
        raise ImageError(
            f"{path} is a link that leaves {context}",
            hint="A file of this machine would get into the image. Remove the link, or copy the file.",
        )
    if not path.is_symlink() and not path.is_dir() and not path.is_file():
        raise ImageError(f"{path} is neither a file nor a folder nor a link")
