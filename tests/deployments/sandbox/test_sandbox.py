"""The sandbox as a whole: up twice is up once, and down leaves nothing behind."""

import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import pytest

from deployments.sandbox import sandbox
from promoter.errors import ConfigurationError


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return a folder with a short path; the environment stays as it was."""
    before = dict(os.environ)
    with TemporaryDirectory(prefix="sandbox-") as name:
        try:
            yield Path(name)
        finally:
            sandbox.down(Path(name))
            os.environ.clear()
            os.environ.update(before)


def using(folder: Path) -> list[str]:
    """Return the command lines of the processes that speak of `folder`."""
    found = (process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"]))
    return [" ".join(words) for words in found if any(str(folder) in word for word in words)]


@pytest.mark.xdist_group("sandbox")
def test_up_twice_is_up_once_and_down_leaves_nothing_behind(folder: Path) -> None:
    """Its tasks, its servers, its files: all gone; a second `up` changed nothing."""
    first = sandbox.up(folder, prefect=False)
    again = sandbox.up(folder, prefect=False)
    tasks = [line for line in using(folder) if "/aws/tasks/" in line]

    ended = sandbox.down(folder)

    assert again == first
    assert len(tasks) == 4
    assert sorted(ended) == ["aws", "postgres", "registry"]
    assert using(folder) == []
    assert not folder.exists()


@pytest.mark.xdist_group("sandbox")
def test_a_killed_sandbox_leaves_no_process_behind_on_the_next_up(folder: Path) -> None:
    """The tasks of an AWS that was killed are ended before a new one starts."""
    killed = sandbox.up(folder, prefect=False)
    left = [line for line in using(folder) if "/aws/tasks/" in line]
    aws = psutil.Process(killed.parts["aws"].pid)
    aws.kill()
    aws.wait(10)

    again = sandbox.up(folder, prefect=False)

    assert again.parts["aws"].pid != killed.parts["aws"].pid
    assert set(left).isdisjoint(using(folder))


def test_a_folder_of_somebody_else_is_never_cleared(tmp_path: Path) -> None:
    """What `up` did not make, `down` does not remove."""
    (tmp_path / "precious").write_text("data")

    with pytest.raises(ConfigurationError, match="not a sandbox's folder"):
        sandbox.down(tmp_path)

    assert (tmp_path / "precious").read_text() == "data"
