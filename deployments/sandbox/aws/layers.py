"""Unpacks the layers of an image on top of each other, and lets none of them reach outside its folder.

Source: the OCI image specification 1.1, "Image Layer Filesystem Changeset".
"""

import io
import shutil
import tarfile
from pathlib import Path, PurePosixPath

WHITEOUT = ".wh."
OPAQUE = ".wh..wh..opq"


class LayerError(Exception):
    """A layer is broken or would write outside its folder."""


def unpack(layer: bytes, root: Path) -> None:
    """Unpack one tar archive, compressed or not, over what lies in `root`; raise LayerError.

    `..`, absolute links, links to the outside and devices are refused, owners and the set-user-id bit are dropped
    (tarfile's data filter).
    """
    try:
        with tarfile.open(fileobj=io.BytesIO(layer)) as archive:
            members = archive.getmembers()
            for member in members:
                _erase(member, root)
            for member in members:
                if not _is_whiteout(member):
                    _make_room(member, root)
                    archive.extract(member, root, filter="data")
    except (tarfile.TarError, OSError) as error:
        raise LayerError(str(error)) from error


def _is_whiteout(member: tarfile.TarInfo) -> bool:
    return PurePosixPath(member.name).name.startswith(WHITEOUT)


def _erase(member: tarfile.TarInfo, root: Path) -> None:
    """Remove from the layers below what the whiteout `member` hides."""
    if not _is_whiteout(member):
        return
    hidden = _inside(member.name, root)
    if hidden.name == OPAQUE:
        for path in hidden.parent.iterdir() if hidden.parent.is_dir() else ():
            _remove(path)
    else:
        _remove(hidden.with_name(hidden.name.removeprefix(WHITEOUT)))


def _make_room(member: tarfile.TarInfo, root: Path) -> None:
    """Remove what `member` takes the place of; a directory joins the one below."""
    path = _inside(member.name, root)
    if path != root and not (member.isdir() and path.is_dir() and not path.is_symlink()):
        _remove(path)


def _inside(name: str, root: Path) -> Path:
    path = root / name.lstrip("/")
    if not path.parent.resolve().is_relative_to(root.resolve()) or path.name in {"", ".."}:
        raise LayerError(f"{name!r} would be outside the image")
    return path


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
