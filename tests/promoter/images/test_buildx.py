"""The commands, logins and folders of the Buildx builder; tests/stories/test_engine.py runs them on a real engine."""

import base64
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr

from promoter.config import Dependencies, ImageRule
from promoter.errors import CommandError, ImageError
from promoter.images import BuildPlan, Login, docker_login, oci_layout
from promoter.images.buildx import BuildxBuilder, build_argv, cache_repository, explained

LOGIN = Login("robot", SecretStr("hunter2"))


@pytest.fixture
def plan(tmp_path: Path) -> BuildPlan:
    """Return the plan of a production image."""
    return BuildPlan(
        repository="ghcr.io/owner/api",
        tag="v1.0.5",
        commit="c" * 40,
        build_time=datetime(2025, 9, 12, 13, 45, 23, tzinfo=UTC),
        platforms=("linux/amd64", "linux/arm64"),
        checkout=tmp_path,
        dependencies=Dependencies(tool="poetry"),
        context="backend",
    )


@pytest.fixture
def docker_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a user's own folder of the docker client, with a plugin and a credential store."""
    folder = tmp_path / "docker"
    (folder / "cli-plugins").mkdir(parents=True)
    (folder / "cli-plugins" / "docker-buildx").touch()
    (folder / "config.json").write_text('{"credsStore": "desktop", "auths": {"other.example": {}}}')
    monkeypatch.setenv("DOCKER_CONFIG", str(folder))
    return folder


def test_the_command_says_everything_that_the_plan_says(plan: BuildPlan) -> None:
    """Platforms, arguments, labels, cache, provenance, and a folder instead of a push."""
    rule = ImageRule(repository=plan.repository, context="backend", cache="ghcr.io/owner/api:cache")

    argv = build_argv(plan, rule, Path("/scratch"))

    cache = "type=registry,ref=ghcr.io/owner/api:cache"
    assert argv == [
        *("docker", "buildx", "build", "--progress", "plain"),
        *("--file", f"{plan.checkout}/backend/Dockerfile"),
        *("--platform", "linux/amd64,linux/arm64"),
        *("--build-arg", "BUILD_VERSION=v1.0.5"),
        *("--build-arg", f"BUILD_COMMIT={'c' * 40}"),
        *("--build-arg", "BUILD_TIME=2025-09-12T13:45:23Z"),
        *("--build-arg", "SOURCE_DATE_EPOCH=1757684723"),
        *("--label", "org.opencontainers.image.version=v1.0.5"),
        *("--label", f"org.opencontainers.image.revision={'c' * 40}"),
        *("--label", "org.opencontainers.image.created=2025-09-12T13:45:23Z"),
        *("--cache-from", cache),
        *("--cache-to", f"{cache},mode=max,image-manifest=true,oci-mediatypes=true,ignore-error=true"),
        *("--provenance", "mode=max"),
        *("--output", "type=oci,dest=/scratch/layout,tar=false"),
        *("--metadata-file", "/scratch/metadata.json"),
        f"{plan.checkout}/backend",
    ]


def test_a_build_that_is_only_tried_writes_no_cache(plan: BuildPlan) -> None:
    """Whoever may not push may still read what is there."""
    rule = ImageRule(repository=plan.repository, cache="ghcr.io/owner/api:cache")

    argv = build_argv(plan, rule, Path("/scratch"), write_cache=False)

    assert argv[argv.index("--cache-from") + 1] == "type=registry,ref=ghcr.io/owner/api:cache"
    assert "--cache-to" not in argv


def test_without_a_cache_nothing_is_said_of_one(plan: BuildPlan) -> None:
    """A service that keeps no layer cache builds without one."""
    argv = build_argv(plan, ImageRule(repository=plan.repository), Path("/scratch"))

    assert not any(part.startswith("--cache") for part in argv)


@pytest.mark.parametrize(
    ("cache", "expected"),
    [
        pytest.param(None, None, id="no cache"),
        pytest.param("ghcr.io/owner/api:cache", None, id="the image's own repository"),
        pytest.param("ghcr.io/owner/api-cache:main", "owner/api-cache", id="a neighbour"),
        pytest.param("quay.io/owner/cache:main", None, id="another registry"),
    ],
)
def test_layers_are_taken_from_a_neighbouring_cache(cache: str | None, expected: str | None) -> None:
    """What the cache's repository holds needs no upload, where the registry is the same."""
    assert cache_repository(ImageRule(repository="ghcr.io/owner/api", cache=cache)) == expected


def test_a_login_lives_in_a_private_folder_for_one_run(docker_folder: Path) -> None:
    """The user's plugins stay reachable, the user's file stays as it is, and afterwards the login is gone."""
    before = (docker_folder / "config.json").read_text()

    with docker_login.lend("ghcr.io", LOGIN) as environment:
        folder = Path(environment["DOCKER_CONFIG"])
        config = json.loads((folder / "config.json").read_text())
        mode = (folder / "config.json").stat().st_mode & 0o777
        plugin = (folder / "cli-plugins" / "docker-buildx").is_file()

    assert config == {
        "credsStore": "desktop",
        "auths": {"other.example": {}, "ghcr.io": {"auth": base64.b64encode(b"robot:hunter2").decode()}},
        "credHelpers": {"ghcr.io": ""},
    }
    assert (mode, plugin, folder.exists()) == (0o600, True, False)
    assert (docker_folder / "config.json").read_text() == before


def test_without_a_login_the_users_own_holds() -> None:
    """Nothing is set where nothing is known."""
    with docker_login.lend("ghcr.io", None) as environment:
        assert environment == {}


@pytest.mark.parametrize(
    ("complaint", "hint", "transient"),
    [
        pytest.param("`docker` cannot be started: [Errno 2]", "Install the docker client", False, id="no client"),
        pytest.param(
            "docker: 'buildx' is not a docker command.", "Install Docker's Buildx plugin", False, id="no plugin"
        ),
        pytest.param("Cannot connect to the Docker daemon at …", "Start the Docker engine", False, id="no engine"),
        pytest.param(
            "OCI exporter is not supported for the docker driver", "Turn on the engine's", False, id="old image store"
        ),
        pytest.param("exec format error", "Let the machine run foreign programs", False, id="no emulation"),
        pytest.param("unexpected status: 403 Forbidden", "Check the registry's credentials", False, id="no rights"),
        pytest.param("unexpected status: 503 Service Unavailable", None, True, id="registry down"),
        pytest.param("RUN false: exit code: 1", None, False, id="broken Dockerfile"),
    ],
)
def test_a_failed_build_says_what_to_do(complaint: str, hint: str | None, transient: bool) -> None:  # noqa: FBT001
    """What is missing is named with its remedy, and only the network is tried again."""
    error = explained(CommandError(complaint))

    assert complaint in error.message
    assert (error.hint or "").startswith(hint or "")
    assert (error.hint is None, error.transient) == (hint is None, transient)


def test_a_machine_without_docker_is_told_to_install_it(plan: BuildPlan, monkeypatch: pytest.MonkeyPatch) -> None:
    """The builder asks for its tools before it builds."""
    monkeypatch.setenv("PATH", str(plan.checkout))
    builder = BuildxBuilder(ImageRule(repository=plan.repository))

    with pytest.raises(ImageError, match="Install the docker client with its Buildx plugin"):
        builder._run(["docker", "buildx", "version"])


def test_a_part_that_was_changed_on_disk_is_refused(tmp_path: Path) -> None:
    """Every byte is checked against its digest before it goes out."""
    digest = f"sha256:{'a' * 64}"
    (tmp_path / "blobs" / "sha256").mkdir(parents=True)
    (tmp_path / "blobs" / "sha256" / ("a" * 64)).write_text("{}")
    (tmp_path / "index.json").write_text(json.dumps({"manifests": [{"digest": digest}]}))

    assert oci_layout.digest(tmp_path) == digest
    with pytest.raises(ImageError, match="was changed on disk"):
        oci_layout._read(tmp_path, digest)


@pytest.mark.parametrize("name", ["sha256:../../../etc/passwd", "sha512:aa", ""])
def test_a_part_is_named_by_a_digest_only(tmp_path: Path, name: str) -> None:
    """A layout cannot name a file outside."""
    with pytest.raises(ImageError, match="is no digest"):
        oci_layout._read(tmp_path, name)


@pytest.mark.parametrize("index", ["", "[]", "{}", '{"manifests": []}'], ids=["empty", "a list", "no key", "no image"])
def test_a_folder_that_is_no_layout_is_said_to_be_none(tmp_path: Path, index: str) -> None:
    """A build that left nothing usable is an error with the folder's name."""
    (tmp_path / "index.json").write_text(index)

    with pytest.raises(ImageError, match=str(tmp_path)):
        oci_layout.digest(tmp_path)
