"""Whether this installation is somebody on GitHub, as the doctor says it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deployments.doctor.examination import Result, examine
from deployments.doctor.installation import checks
from promoter.config import Service
from promoter.settings import Settings
from tests.github import PLACE, GitHub, serving


@pytest.fixture
def github(tmp_path: Path, settings: Settings) -> Iterator[GitHub]:
    """Return a GitHub on which the service is shown."""
    assert settings.github_token is None
    with serving(tmp_path / "github") as found:
        yield found


def look(service: Service) -> Result:
    """Return what the doctor says."""
    (found,) = examine(one for one in checks([service]) if one.name == "GitHub: credentials")
    return found


def test_credentials_are_tried(
    github: GitHub, make_service: Callable[..., Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On each repository that a service file names."""
    service = make_service(github=PLACE)
    silent, nowhere = look(service), look(make_service())
    for name, value in github.variables.items():
        monkeypatch.setenv(name, value)
    known = look(service)
    monkeypatch.setenv("PROMOTER_GITHUB_TOKEN", "github_pat_of_somebody_else")
    unknown = look(service)

    assert [one.outcome for one in (silent, nowhere, known, unknown)] == ["SKIP", "SKIP", "OK", "NG"]
    assert known.detail == "Owner/api, number 4711"
    assert "docs/github.md" in (unknown.hint or "")
