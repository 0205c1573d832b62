"""The target's locked dependencies."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from uv import find_uv_bin

from promoter import dependencies
from promoter.config import Dependencies
from promoter.dependencies import Environment
from promoter.errors import ChecksError

PROJECT = """
[project]
name = "target"
version = "0.1.0"
requires-python = ">=3.11,<4"
dependencies = ["iniconfig==2.3.1"]
[dependency-groups]
dev = ["pluggy"]
"""
POETRY_PROJECT = f"{PROJECT}[tool.poetry]\npackage-mode = false\n"
POETRY_LOCK = """
[[package]]
name = "iniconfig"
version = "2.3.1"
description = ""
optional = false
python-versions = ">=3.10"
groups = ["main"]
files = [
    {file = "iniconfig-2.3.1-py3-none-any.whl", hash = "sha256:9121e2c1fdb355232495be3194c8dfe87ccc2d5dee45947b78e68f499790d7a7"},
]

[[package]]
name = "pluggy"
version = "1.7.0"
description = ""
optional = false
python-versions = ">=3.9"
groups = ["dev"]
files = [
    {file = "pluggy-1.7.0-py3-none-any.whl", hash = "sha256:d1eaa46ebb595891b860ab086b4d09c8588af65ebd4361b8e8f4bb8920b90ba8"},
]

[metadata]
lock-version = "2.1"
python-versions = ">=3.11,<4"
content-hash = "HASH"
"""
POETRY = Dependencies(tool="poetry", directory="backend")
UV = Dependencies(tool="uv", directory="backend")


@pytest.fixture
def poetry_checkout(tmp_path: Path) -> Path:
    """Return a checkout whose folder `backend` Poetry has locked."""
    project = tmp_path / "checkout" / "backend"
    project.mkdir(parents=True)
    (project / "pyproject.toml").write_text(POETRY_PROJECT)
    code = "from poetry.factory import Factory; print(Factory().create_poetry().locker._content_hash)"
    asked = subprocess.run([sys.executable, "-c", code], cwd=project, capture_output=True, text=True, check=True)
    (project / "poetry.lock").write_text(POETRY_LOCK.replace("HASH", asked.stdout.strip()))
    return project.parent


@pytest.fixture
def uv_checkout(tmp_path: Path) -> Path:
    """Return a checkout whose folder `backend` uv has locked."""
    project = tmp_path / "checkout" / "backend"
    project.mkdir(parents=True)
    (project / "pyproject.toml").write_text(PROJECT)
    subprocess.run([find_uv_bin(), "lock", "--quiet"], cwd=project, check=True)
    return project.parent


def packages(environment: Environment) -> set[str]:
    """Return the names of what is installed."""
    code = "import importlib.metadata as m; print(*(d.name for d in m.distributions()))"
    asked = subprocess.run([environment.python, "-c", code], capture_output=True, text=True, check=True)
    return set(asked.stdout.split())


def test_a_poetry_lock_that_fits_becomes_an_environment(poetry_checkout: Path, tmp_path: Path) -> None:
    """Checked, exported with hashes and no host, installed once, and found again."""
    dependencies.check_lock(poetry_checkout, POETRY)
    text = dependencies.export(poetry_checkout, POETRY)
    first = dependencies.environment(poetry_checkout, POETRY, cache=tmp_path, groups=("dev",))
    second = dependencies.environment(poetry_checkout, POETRY, cache=tmp_path, groups=("dev",))

    assert "iniconfig==2.3.1" in text
    assert "--hash=sha256:9121e2c1" in text
    assert "pluggy" not in text
    assert "://" not in text
    assert packages(first) == {"iniconfig", "pluggy"}
    assert (first.created, second.created) == (True, False)
    assert first.python == second.python


def test_a_uv_lock_that_fits_becomes_an_environment(uv_checkout: Path, tmp_path: Path) -> None:
    """The same for uv, whose lock file names hosts: the export does not."""
    dependencies.check_lock(uv_checkout, UV)
    text = dependencies.export(uv_checkout, UV, groups=("dev",))
    environment = dependencies.environment(uv_checkout, UV, cache=tmp_path)

    assert "pluggy==" in text
    assert "--hash=sha256:" in text
    assert "://" not in text
    assert packages(environment) == {"iniconfig"}


def test_a_uv_workspace_gives_the_dependencies_of_one_package(tmp_path: Path) -> None:
    """The lock is at the root; only the named member's dependencies are taken, and no member is installed."""
    for name, needs in (("api", "iniconfig==2.3.1"), ("other", "pluggy")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "pyproject.toml").write_text(
            f'[project]\nname = "{name}"\nversion = "1"\nrequires-python = ">=3.11"\ndependencies = ["{needs}"]\n'
        )
    (tmp_path / "pyproject.toml").write_text('[tool.uv.workspace]\nmembers = ["api", "other"]\n')
    subprocess.run([find_uv_bin(), "lock", "--quiet"], cwd=tmp_path, check=True)
    rule = Dependencies(tool="uv", package="api")

    dependencies.check_lock(tmp_path, rule)
    text = dependencies.export(tmp_path, rule)

    assert [line.split()[0] for line in text.splitlines() if "==" in line] == ["iniconfig==2.3.1"]


def test_a_stale_poetry_lock_stops_and_stays_as_it_is(poetry_checkout: Path) -> None:
    """The message names the file and what to do; nothing is locked anew."""
    lock = poetry_checkout / "backend" / "poetry.lock"
    before = lock.read_bytes()
    (poetry_checkout / "backend" / "pyproject.toml").write_text(POETRY_PROJECT.replace("2.3.1", "2.3.0"))

    with pytest.raises(ChecksError, match=r"backend/poetry\.lock does not fit") as raised:
        dependencies.check_lock(poetry_checkout, POETRY)

    assert "Run `poetry lock`" in str(raised.value.hint)
    assert lock.read_bytes() == before
    assert not raised.value.transient


def test_a_lock_that_was_found_good_is_no_proof_for_another(poetry_checkout: Path, tmp_path: Path) -> None:
    """What is remembered holds for exactly these two files."""
    dependencies.check_lock(poetry_checkout, POETRY, cache=tmp_path)
    dependencies.check_lock(poetry_checkout, POETRY, cache=tmp_path)
    (poetry_checkout / "backend" / "pyproject.toml").write_text(POETRY_PROJECT.replace("2.3.1", "2.3.0"))

    for _ in range(2):
        with pytest.raises(ChecksError, match=r"does not fit"):
            dependencies.check_lock(poetry_checkout, POETRY, cache=tmp_path)


def test_a_stale_uv_lock_stops_and_stays_as_it_is(uv_checkout: Path) -> None:
    """The same for uv."""
    lock = uv_checkout / "backend" / "uv.lock"
    before = lock.read_bytes()
    (uv_checkout / "backend" / "pyproject.toml").write_text(PROJECT.replace("2.3.1", "2.3.0"))

    with pytest.raises(ChecksError, match=r"backend/uv\.lock does not fit"):
        dependencies.check_lock(uv_checkout, UV)

    assert lock.read_bytes() == before


@pytest.mark.parametrize(
    ("rule", "missing"),
    [
        pytest.param(POETRY, "poetry.lock", id="poetry"),
        pytest.param(UV, "uv.lock", id="uv"),
        pytest.param(Dependencies(tool="uv", directory="elsewhere"), "elsewhere/pyproject.toml", id="no project"),
    ],
)
def test_a_missing_file_is_named(tmp_path: Path, rule: Dependencies, missing: str) -> None:
    """No lock file is no reason to make one."""
    (tmp_path / "backend").mkdir()
    (tmp_path / "backend" / "pyproject.toml").write_text(PROJECT)

    with pytest.raises(ChecksError, match=rf"{missing} does not exist"):
        dependencies.check_lock(tmp_path, rule)
    with pytest.raises(ChecksError, match=rf"{missing} does not exist"):
        dependencies.environment(tmp_path, rule, cache=tmp_path)
    assert [file.name for file in (tmp_path / "backend").iterdir()] == ["pyproject.toml"]


@pytest.mark.parametrize("name", ["pyproject.toml", "poetry.lock"])
def test_a_lock_that_is_a_link_elsewhere_is_refused(poetry_checkout: Path, tmp_path: Path, name: str) -> None:
    """It is not even read: what it leads to is a file of this machine."""
    file = poetry_checkout / "backend" / name
    file.rename(tmp_path / "elsewhere")
    file.symlink_to(tmp_path / "elsewhere")

    with pytest.raises(ChecksError, match=f"backend/{name} is a link that leaves the checkout"):
        dependencies.check_lock(poetry_checkout, POETRY)


def test_an_unknown_group_is_an_error(uv_checkout: Path) -> None:
    """A misspelt group is no empty group."""
    with pytest.raises(ChecksError, match="`tests`"):
        dependencies.export(uv_checkout, UV, groups=("tests",))


def test_an_absent_python_is_named_and_not_downloaded(uv_checkout: Path, tmp_path: Path) -> None:
    """The hint says what to install."""
    rule = UV.model_copy(update={"python": "3.99"})

    with pytest.raises(ChecksError, match=r"Python 3\.99 is not on this machine"):
        dependencies.environment(uv_checkout, rule, cache=tmp_path)


def test_a_wrong_hash_installs_nothing(poetry_checkout: Path, tmp_path: Path) -> None:
    """What the registry hands out is what was locked, or there is no environment."""
    lock = poetry_checkout / "backend" / "poetry.lock"
    lock.write_text(lock.read_text().replace("sha256:9121", "sha256:0000"))

    with pytest.raises(ChecksError, match="cannot be installed"):
        dependencies.environment(poetry_checkout, POETRY, cache=tmp_path)

    assert list((tmp_path / "environments").iterdir()) == []


def test_another_lock_is_another_environment(uv_checkout: Path, tmp_path: Path) -> None:
    """The key holds the content of the lock and the groups."""
    keys = {dependencies.environment(uv_checkout, UV, cache=tmp_path, groups=groups).key for groups in ((), ("dev",))}
    project = uv_checkout / "backend" / "pyproject.toml"
    project.write_text(PROJECT.replace("2.3.1", "2.0.0"))
    subprocess.run([find_uv_bin(), "lock", "--quiet"], cwd=project.parent, check=True)

    keys.add(dependencies.environment(uv_checkout, UV, cache=tmp_path).key)

    assert len(keys) == 3


def test_two_at_once_end_with_one_environment(uv_checkout: Path, tmp_path: Path) -> None:
    """Both get the same whole environment, whoever was faster."""
    made: list[Environment] = []

    def make() -> None:
        made.append(dependencies.environment(uv_checkout, UV, cache=tmp_path))

    threads = [threading.Thread(target=make) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {environment.python for environment in made} == {made[0].python}
    assert packages(made[0]) == {"iniconfig"}
    assert len(list((tmp_path / "environments").iterdir())) == 1


def test_a_kill_leaves_no_half_environment(uv_checkout: Path, tmp_path: Path) -> None:
    """After a kill -9 in the middle there is none, and the next call makes it whole."""
    home = tmp_path / "environments"
    code = (
        "import sys; from pathlib import Path; from promoter.config import Dependencies; from promoter.dependencies import environment;"
        f"environment(Path({str(uv_checkout)!r}), Dependencies(tool='uv', directory='backend'), cache=Path({str(tmp_path)!r}))"
    )
    process = subprocess.Popen([sys.executable, "-c", code])
    while process.poll() is None and not list(home.glob("new-*/environment")):
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    left = [folder.name for folder in home.iterdir() if not folder.name.startswith("new-")]

    environment = dependencies.environment(uv_checkout, UV, cache=tmp_path)

    assert left == []
    assert environment.created
    assert packages(environment) == {"iniconfig"}


def test_what_a_killed_call_left_is_removed_when_it_is_old(uv_checkout: Path, tmp_path: Path) -> None:
    """A folder that nobody can still be filling goes with the next creation; a young one stays."""
    for name, age in (("new-old", 2 * 24 * 3600), ("new-young", 0)):
        (folder := tmp_path / "environments" / name).mkdir(parents=True)
        os.utime(folder, times=(time.time() - age,) * 2)

    dependencies.environment(uv_checkout, UV, cache=tmp_path)

    assert not (tmp_path / "environments" / "new-old").exists()
    assert (tmp_path / "environments" / "new-young").exists()


def test_the_target_sees_its_own_code_and_none_of_our_secrets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its folder and its `src` can be imported; our variables are removed."""
    (tmp_path / "src").mkdir()
    for name in ("AWS_SECRET_ACCESS_KEY", "PREFECT_API_KEY", "PROMOTER_LEDGER_PASSWORD", "GITHUB_TOKEN", "PYTHONHOME"):
        monkeypatch.setenv(name, "ours")
    monkeypatch.setenv("PATH", "/usr/bin")
    monkeypatch.setenv("HOME", "/home/kept")

    variables = Environment(Path("/venv/bin/python"), "key", created=True).variables(tmp_path)

    assert {name for name, value in variables.items() if value == "ours"} == set()
    assert variables["AWS_SECRET_ACCESS_KEY"] == variables["GITHUB_TOKEN"] == ""
    assert variables["PYTHONPATH"] == f"{tmp_path}:{tmp_path}/src"
    assert variables["PATH"] == "/venv/bin:/usr/bin"
    assert variables["VIRTUAL_ENV"] == "/venv"
    assert variables["PYTHONDONTWRITEBYTECODE"] == "1"
    assert "HOME" not in variables
