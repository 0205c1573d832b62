"""The service file that the sandbox writes."""

from pathlib import Path

import pytest

from deployments.sandbox.sample.service import service, to_toml
from deployments.sandbox.sample.tree import template
from promoter import config
from promoter.config import HealthAnswer, Service

HEALTH_URLS = {"staging": "http://127.0.0.1:8001/health", "production": "http://127.0.0.1:8002/health"}


def sandboxed(platform: str = "linux/amd64") -> Service:
    """Return the sample service as a sandbox on `platform` would."""
    return service(
        Path("/somewhere/sample.git"), "127.0.0.1:5000", HEALTH_URLS, "http://127.0.0.1:4566", platform=platform
    )


def test_the_written_file_is_read_as_it_was_meant(tmp_path: Path) -> None:
    """What the sandbox writes, everything else loads."""
    (tmp_path / "sample-api.toml").write_text(to_toml(sandboxed()))

    assert config.find("sample-api", tmp_path) == sandboxed()


@pytest.mark.parametrize(
    "text",
    ['a "quoted" word', "back\\slash", "tab\tand\nline", "\x00\x1f\x7f", "ünïcödé 🚀", "# no comment", "[no table]"],
)
def test_any_text_survives(tmp_path: Path, text: str) -> None:
    """In values and in keys."""
    changed = sandboxed().model_copy(update={"repository": text})
    changed = changed.model_copy(update={"checks": changed.checks.model_copy(update={"variables": {text: text}})})
    path = tmp_path / "service.toml"
    path.write_text(to_toml(changed), encoding="utf-8")

    assert config.load(path) == changed


def test_an_answer_that_tells_nothing_is_written_too(tmp_path: Path) -> None:
    """TOML has no None; a service whose health says nothing of its database is a service all the same."""
    silent = sandboxed().model_copy(update={"health": HealthAnswer(status=None, database=None)})
    path = tmp_path / "sample-api.toml"
    path.write_text(to_toml(silent), encoding="utf-8")

    assert config.load(path) == silent


def test_branches_do_what_the_specification_says() -> None:
    """One row each."""
    assert {rule.pattern: (rule.stages, rule.suffix, rule.environment) for rule in sandboxed().branches} == {
        "dev": (("version", "test"), "dev", None),
        "test": (("version", "test", "build", "deploy", "tag"), "test", "staging"),
        "main": (("version", "test", "build", "deploy", "tag", "latest"), "", "production"),
        "cicd/*": (("version", "test", "build"), None, None),
    }


@pytest.mark.parametrize(
    ("platform", "production"),
    [
        ("linux/amd64", ("linux/amd64", "linux/arm64")),
        ("linux/arm64", ("linux/amd64", "linux/arm64")),
        ("darwin/arm64", ("linux/amd64", "linux/arm64", "darwin/arm64")),
    ],
)
def test_images_run_on_this_machine_too(platform: str, production: tuple[str, ...]) -> None:
    """Staging is for the machine alone, production for it and what AWS has."""
    assert sandboxed(platform).rule("test").platforms == (platform,)
    assert sandboxed(platform).rule("main").platforms == production


def test_everything_that_the_image_takes_is_in_the_repository() -> None:
    """Each path of the layers and of the migrations."""
    found = sandboxed()
    layers = found.image.layers

    assert layers is not None
    assert {Path(path).parts[0] for path in template()} >= {*layers.include, found.migrations.config}
