"""Folders for the time of a block that leave nothing behind, even where their owner was killed."""

import fcntl
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

OWNER = "owner"
"""The file in each folder that its owner keeps locked; the lock goes with the owner."""
FILES = "files"
"""The folder in it that is lent."""


@contextmanager
def folder(
    kind: str, *, mode: int = 0o700, remove: Callable[[Path], None] = shutil.rmtree, place: Path | None = None
) -> Iterator[Path]:
    """Yield an empty folder, private unless `mode` says otherwise, and `remove` it afterwards; `kind` begins its name.

    It is made in `place`, None for where temporary files are. One whose owner was killed is removed when the next of its kind is made. `remove` gets the folder
    around it, and has to be content with one that is half made or half removed already.
    """
    place = place or Path(tempfile.gettempdir())
    _sweep(place, kind, remove)
    outer = Path(tempfile.mkdtemp(prefix=f"{kind}-", dir=place))
    outer.chmod(mode)
    with (outer / f"{OWNER}.new").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        (outer / f"{OWNER}.new").rename(outer / OWNER)
        try:
            (inner := outer / FILES).mkdir()
            inner.chmod(mode)
            yield inner
        finally:
            remove(outer)


def _sweep(place: Path, kind: str, remove: Callable[[Path], None]) -> None:
    """Remove the folders whose owners are gone."""
    for lock in place.glob(f"{kind}-*/{OWNER}"):
        with suppress(OSError), lock.open("w") as file:  # locked: it has its owner; or it is somebody else's
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove(lock.parent)
