"""What `promoter plan` refuses before it asks anybody."""

from collections.abc import Callable

import pytest

from deployments import cli
from deployments.sandbox.sample.service import to_toml
from promoter.config import Service
from promoter.settings import Settings


def test_a_branch_that_changes_no_environment_has_no_plan(
    settings: Settings, make_service: Callable[..., Service], capsys: pytest.CaptureFixture[str]
) -> None:
    """There is no database whose schema could change."""
    service = make_service()
    settings.services.mkdir(exist_ok=True)
    (settings.services / f"{service.name}.toml").write_text(to_toml(service))

    assert cli.main(["plan", "dev"]) == 2
    assert "a push to 'dev' changes no environment" in capsys.readouterr().err
