"""A folder for a while: private, empty, and gone afterwards, even where its owner was killed."""

import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from promoter import scratch


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return where the folders are made, for this process and its children."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def killed_owner(kind: str) -> Path:
    """Return the folder of a process that was killed in the middle of its block."""
    code = f"""
        import os, signal
        from promoter import scratch
        with scratch.folder({kind!r}) as folder:
            (folder / "login").write_text("token")
            print(folder, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
    """
    process = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False)
    assert process.returncode == -signal.SIGKILL, process.stderr
    return Path(process.stdout.strip())


def test_a_folder_is_private_and_goes_with_its_block(place: Path) -> None:
    """Nobody else reads it, and nothing of it stays."""
    with scratch.folder("thing") as folder:
        assert folder.stat().st_mode & 0o777 == 0o700
        assert list(folder.iterdir()) == []
        (folder / "file").write_text("text")

    assert list(place.iterdir()) == []


def test_what_a_killed_owner_left_goes_with_the_next_of_its_kind(place: Path) -> None:
    """A login that was lent does not lie about until somebody cleans up."""
    left = killed_owner("thing")
    assert (left / "login").exists()

    with scratch.folder("thing"):
        assert not left.exists()

    assert list(place.iterdir()) == []


def test_what_has_a_living_owner_stays(place: Path) -> None:
    """Also where the owner is this process."""
    with scratch.folder("thing") as first:
        with scratch.folder("thing"):
            assert first.exists()
        assert first.exists()
    assert list(place.iterdir()) == []


def test_another_kind_is_left_alone() -> None:
    """Who made it knows how it is removed."""
    left = killed_owner("thing")

    with scratch.folder("other"):
        assert left.exists()


def test_what_stands_in_for_a_folder_is_not_followed(place: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A link to a place of somebody else's is not emptied with the folder that holds it."""
    theirs = tmp_path_factory.mktemp("theirs")
    (theirs / "kept").write_text("text")

    with scratch.folder("thing") as folder:
        (folder / "link").symlink_to(theirs)

    assert (theirs / "kept").exists()
    assert list(place.iterdir()) == []
