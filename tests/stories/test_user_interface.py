"""A person promotes from Prefect's own pages: the form, the run, what it leaves; in a real browser, without a window.

PROMOTER_SCREENSHOTS=docs/images keeps what was seen as pictures, those that docs/user-interface.md shows.
"""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from playwright.sync_api import Locator, Page, sync_playwright

from deployments.sandbox.sample.scenarios import Scenario
from tests.stories.conftest import PATIENCE, Stage

pytestmark = [pytest.mark.xdist_group("other sandbox"), pytest.mark.slow]

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
UNSAFE = ("--no-sandbox", "--disable-dev-shm-usage")
"""What Chromium needs as root, and where shared memory is small; all that it opens is on loopback."""
SIZE = {"width": 1280, "height": 1000}


@pytest.fixture
def page() -> Iterator[Page]:
    """Return an empty page of a browser; where none is installed, skip or fail with the reason."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        reason = f"none of {', '.join(BROWSERS)} is installed"
        if os.environ.get("PROMOTER_REQUIRE_ENGINE") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=UNSAFE)
        page = browser.new_page(viewport=SIZE, reduced_motion="reduce")  # type: ignore[arg-type] # a dict as its TypedDict
        page.set_default_timeout(PATIENCE * 1000)
        yield page
        browser.close()


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Return where screenshots are kept."""
    folder = Path(os.environ.get("PROMOTER_SCREENSHOTS", tmp_path)).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def test_a_person_promotes_from_the_form(stage: Stage, page: Page, pictures: Path) -> None:
    """What can be no service is refused before anything runs; the run shows each stage, and what it released as an artifact."""
    stage.push(Scenario.GOOD)
    commit = stage.repository.merge("dev", "test")
    open_form(page, "promote-test")
    fill(page, "service", "not a service")
    page.get_by_role("button", name="Submit").click()
    page.get_by_text("does not match").first.wait_for()
    page.screenshot(path=pictures / "form-refused.png")

    fill(page, "service", stage.service.name)
    choose(page, "commit", "str", commit)
    choose(page, "by", "str", "ann")
    page.screenshot(path=pictures / "form.png")
    page.get_by_role("button", name="Submit").click()
    page.wait_for_url("**/runs/flow-run/*")
    run = UUID(page.url.partition("/flow-run/")[2].partition("?")[0])
    told = stage.wait(run)

    assert (told.promotion.outcome, told.promotion.by) == ("released", "ann")
    assert told.promotion.push.commit == commit
    assert told.state() == "Released"
    page.reload()
    page.get_by_text("roll_out").first.wait_for()
    page.screenshot(path=pictures / "run.png")
    page.get_by_role("tab", name="Artifacts").click()
    page.get_by_text(told.tag).first.wait_for()
    page.screenshot(path=pictures / "artifacts.png")


def open_form(page: Page, deployment: str) -> None:
    """Go the way of a person from the list of deployments to the form of one."""
    page.goto(os.environ["PREFECT_API_URL"].removesuffix("/api") + "/deployments")
    page.get_by_role("link", name=deployment, exact=True).first.click()
    page.get_by_role("button", name="Run", exact=True).click()
    page.get_by_text("Custom run").click()
    page.get_by_text("Validate parameters").wait_for()


def fill(page: Page, parameter: str, text: str) -> None:
    """Write into the field of a parameter."""
    field(page, parameter).get_by_role("textbox").fill(text)


def field(page: Page, parameter: str) -> Locator:
    """Return the part of the form that asks for a parameter."""
    name = re.compile(rf"^{parameter}( \(Optional\))?$")
    return page.locator(".schema-form-property").filter(has=page.get_by_text(name)).first


def choose(page: Page, parameter: str, kind: str, text: str) -> None:
    """Say that a parameter that may be left out is given, and write it."""
    field(page, parameter).get_by_role("button", name=kind, exact=True).click()
    fill(page, parameter, text)
