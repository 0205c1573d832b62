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
from tests.stories.conftest import Stage

pytestmark = [pytest.mark.xdist_group("other sandbox"), pytest.mark.slow]

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
UNSAFE = ("--no-sandbox", "--disable-dev-shm-usage")
"""What Chromium needs as root, and where shared memory is small; all that it opens is on loopback."""
SIZE = {"width": 1280, "height": 1000}
ANSWERED = 120_000
"""Milliseconds that a page may take to show what is waited for."""
DRAWN = 3_000
"""Milliseconds until the graph of a run is drawn: it is a canvas, which says nothing of it."""


@pytest.fixture
def page() -> Iterator[Page]:
    """Return an empty page of a browser; where none is installed, skip or fail with the reason.

    A test asks for it before its stage: a browser has no use for what the sandbox's variables hold.
    """
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        reason = f"none of {', '.join(BROWSERS)} is installed"
        if os.environ.get("PROMOTER_REQUIRE_ENGINE") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=UNSAFE)
        page = browser.new_page(viewport=SIZE, reduced_motion="reduce")  # type: ignore[arg-type] # a dict as its TypedDict
        page.set_default_timeout(ANSWERED)
        yield page
        browser.close()


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Return where screenshots are kept."""
    folder = Path(os.environ.get("PROMOTER_SCREENSHOTS", tmp_path)).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def test_a_person_promotes_from_the_form(page: Page, stage: Stage, pictures: Path) -> None:
    """What can be no service is refused before anything runs; the run shows each stage, and what it released as an artifact."""
    stage.push(Scenario.GOOD)
    commit = stage.repository.merge("dev", "test")
    open_form(page, "promote-test")
    fill(page, "service", stage.service.name)
    choose(page, "commit", "str", commit)
    choose(page, "by", "str", "ann")
    page.screenshot(path=pictures / "form.png")
    fill(page, "service", "not a service")
    page.get_by_role("button", name="Submit").click()
    page.get_by_text("does not match").first.wait_for()
    page.screenshot(path=pictures / "form-refused.png")

    fill(page, "service", stage.service.name)
    page.get_by_role("button", name="Submit").click()
    page.locator("a[href*='/runs/flow-run/']").first.click()
    page.wait_for_url("**/runs/flow-run/*")
    place = page.url
    page.goto("about:blank")  # the graph of a run that goes on is drawn all the time
    told = stage.wait(UUID(place.partition("/flow-run/")[2].partition("?")[0]))

    assert (told.promotion.outcome, told.promotion.by) == ("released", "ann")
    assert told.promotion.push.commit == commit
    page.goto(place)
    page.get_by_text("Task Runs", exact=True).first.click()
    page.get_by_text(re.compile("^roll_out-")).first.wait_for()
    page.get_by_text("Artifacts", exact=True).first.click()
    artifact = page.get_by_text(f"{stage.service.name}-staging", exact=True).first
    artifact.wait_for()
    page.wait_for_timeout(DRAWN)
    page.screenshot(path=pictures / "run.png")
    artifact.click()
    page.wait_for_url("**/artifacts/**")
    page.get_by_text(f"{told.tag} → staging: released").first.wait_for()
    page.screenshot(path=pictures / "artifact.png")


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
