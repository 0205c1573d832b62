"""The story of a promotion as markdown and as a table: plain to read, whatever the text in it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

from promoter import summary
from promoter.changes import Change
from promoter.config import BranchRule, Service
from promoter.ledger.promotions import Promotion
from promoter.ledger.steps import Step
from promoter.records import (
    Hazard,
    HealthReport,
    Image,
    LintFinding,
    PlannedRevision,
    Push,
    Rollout,
    SafetyCopy,
    SchemaChange,
    SchemaPlan,
    TableLock,
    TestFailure,
    TestReport,
    TriedImage,
    Version,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
COMMIT = "a" * 40
VERSION = Version("v1.0.3-test", "1.0.3-test", "v1.0.2", COMMIT, "test", "v1.0.2 and 1 commit since main")
IMAGE = Image("registry.example/api", "v1.0.3-test", "sha256:" + "12" * 32, ("linux/amd64",))
MIGRATED = SchemaChange(("one",), ("add_colour",))
ROLLED_OUT = Rollout("arn:aws:ecs:::task-definition/tsk-api:1", "arn:aws:ecs:::task-definition/tsk-api:2")
HOSTILE = (
    "<script>alert(1)</script> <!-- [a](javascript:alert(1)) ![b](http://c) `d` | **e** _f_ ~~g~~ &amp; \\ "
    "\x1b[31mred\x1b[0m\n# heading\n| cell |"
)
MARKUP = {"link", "image", "html_inline", "html_block", "strong", "em", "s"}
"""What text from outside must not become."""


@pytest.fixture
def promotion(make_service: Callable[..., Service]) -> Promotion:
    """Return a promotion that was released to staging."""
    push = Push(repository="https://git.example/api.git", branch="test", commit=COMMIT, base="v1.0.2")
    return Promotion(UUID(int=1), push, make_service(), None, None, NOW, NOW, NOW, "released", None)


def step(stage: str, record: object, *, error: str | None = None, undone: str | None = None) -> Step:
    """Return a step of two seconds."""
    finished = NOW + timedelta(seconds=2)
    return Step(stage, type(record).__name__, None, None if error else record, error, NOW, finished, undone)


STEPS = [
    step("compute_version", VERSION),
    step("publish_image", IMAGE),
    step("migrate", MIGRATED, undone="kept"),
    step("roll_out", ROLLED_OUT, undone="undone"),
    step("verify", HealthReport("https://staging.example/health", "v1.0.3-test", 3, 4, 1.0)),
]


def shown(text: str) -> SyntaxTreeNode:
    """Return `text` as a Markdown reader takes it, with everything allowed that a reader may allow."""
    return SyntaxTreeNode(MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(text))


def test_the_headline_says_what_goes_where(promotion: Promotion) -> None:
    """The commit stands in until the version is known."""
    assert summary.headline(promotion, STEPS) == "v1.0.3-test → staging"
    assert summary.headline(promotion, []) == "aaaaaaaaaaaa → staging"


def test_a_check_is_told_as_what_it_would_come_to(promotion: Promotion) -> None:
    """The number is nobody's yet, the image is nowhere, and every part that failed says why."""
    push = replace(promotion.push, branch="feat/<x>")
    change = Change(promotion.service, push, "dev", onto="b" * 40, fork="c" * 40)
    version = Version("v1.0.4-dev", "1.0.4-dev", "v1.0.2", COMMIT, "dev", "v1.0.2 and 2 commits since main")
    tried = step("try_image", TriedImage("sha256:" + "12" * 32, ("linux/amd64",)))
    failed = step("check_sources", None, error="1 of 2 tests fail:\n  test_notes::test_order")

    text = summary.check_markdown(change, version, [failed, tried])

    assert summary.check_headline(change, version) == "check feat/<x> aaaaaaa: v1.0.4-dev"
    assert summary.check_markdown(change, version, [tried]).startswith(
        "# check feat/\\<x\\> aaaaaaa: v1.0.4-dev: passed\n"
    )
    assert text.startswith("# check feat/\\<x\\> aaaaaaa: v1.0.4-dev: failed\n")
    assert "| into | dev at `bbbbbbbbbbbb` |" in text
    assert "| version | v1.0.4-dev, not reserved: v1.0.2 and 2 commits since main |" in text
    assert "    1 of 2 tests fail:\n    test_notes::test_order\n" in text
    assert "121212121212 for linux/amd64, not pushed" in text


def test_the_table_has_one_plain_row_per_stage() -> None:
    """Stage, state, seconds, and one line on what was found."""
    assert summary.table(STEPS) == [
        row("compute_version", "done", "v1.0.3-test: v1.0.2 and 1 commit since main"),
        row("publish_image", "done", "v1.0.3-test 121212121212 for linux/amd64"),
        row("migrate", "kept", "one → add_colour"),
        row("roll_out", "taken back", "tsk-api:1 → tsk-api:2"),
        row("verify", "done", "v1.0.3-test, 3 right answers in a row"),
    ]


def test_a_stage_under_way_has_no_time_yet() -> None:
    """Nothing is made up."""
    running = replace(step("roll_out", None), finished_at=None)

    assert summary.table([running]) == [{"stage": "roll_out", "state": "under way", "seconds": None, "detail": ""}]


def test_the_markdown_tells_version_digest_revisions_and_outcome(promotion: Promotion) -> None:
    """Everything that a person looks for is in it."""
    text = summary.markdown(promotion, STEPS)

    for fact in (
        "# v1.0.3-test → staging: released",
        IMAGE.reference,
        "one → add_colour",
        "tsk-api:1 → tsk-api:2",
        "https://staging.example/health",
        COMMIT,
    ):
        assert fact in text


def test_failing_tests_are_named_with_their_messages(promotion: Promotion) -> None:
    """The names stand as text, the messages as they were printed."""
    report = TestReport(3, 1, 0, 1.5, (TestFailure("tests/test_notes.py::test_x", "assert 1 == 2\n  where 1 = f()"),))

    nodes = shown(summary.markdown(promotion, [step("run_checks", report)]))

    assert any(node.type == "text" and node.content == "tests/test_notes.py::test_x" for node in nodes.walk())
    assert any(node.type == "code_block" and "where 1 = f()" in node.content for node in nodes.walk())


@pytest.mark.parametrize("place", ["cause", "branch", "error", "test", "upload"])
def test_hostile_text_is_shown_as_it_is(promotion: Promotion, place: str) -> None:
    """No text from outside becomes markup, a link, a further cell or a terminal escape, wherever it stands."""
    text = {name: HOSTILE if name == place else "plain" for name in ("cause", "error", "test", "upload")}
    failure = TestFailure(text["test"], text["test"])
    report = TestReport(1, 1, 0, 1.0, (failure,), 0.5, "not confirmed", text["upload"])
    steps = [step("publish_image", IMAGE), step("run_checks", report), step("migrate", None, error=text["error"])]
    told = replace(from_hostile_branch(promotion) if place == "branch" else promotion, cause=text["cause"])

    markdown = summary.markdown(told, steps)

    nodes = list(shown(markdown).walk())
    assert "\x1b" not in markdown
    assert {node.type for node in nodes} & MARKUP == set()
    assert [node.content for node in nodes if node.type == "code_inline"] == [COMMIT, IMAGE.reference]
    assert len([node for node in nodes if node.type == "heading"]) == 4
    assert {len(node.children) for node in nodes if node.type == "tr"} == {2, 4}


def test_a_hostile_schema_plan_is_shown_as_it_is(promotion: Promotion) -> None:
    """What a migration is called, runs, destroys and acknowledges is text, and its SQL a block of code."""
    revision = PlannedRevision(
        revision="two",
        message=HOSTILE,
        file="versions/<b>two</b>.py",
        line=7,
        sql=HOSTILE,
        locks=(TableLock("*notes*", "ACCESS EXCLUSIVE"),),
        findings=(LintFinding("two", "versions/two.py", 7, "ban-drop-table", HOSTILE, "warning"),),
        hazards=(Hazard("destructive", (HOSTILE,), 7, HOSTILE),),
        verdict="lossy",
        detail=HOSTILE,
    )
    plan = SchemaPlan(("one",), ("two",), (revision,), HOSTILE)
    change = SchemaChange(("one",), ("two",), (SafetyCopy("notes", '"s"."c"', "SELECT 1", HOSTILE),))

    markdown = summary.markdown(promotion, [step("plan_schema", plan), replace(step("migrate", change), intent=change)])

    nodes = list(shown(markdown).walk())
    assert "\x1b" not in markdown
    assert {node.type for node in nodes} & MARKUP == set()
    code = [node.content for node in nodes if node.type == "code_block"]
    assert ["<script>" in one for one in code] == [True, True]
    assert "reads and writes wait" in markdown


def from_hostile_branch(promotion: Promotion) -> Promotion:
    """Return the promotion of a branch that git allows and no configuration foresaw."""
    everything = BranchRule(pattern="*", stages=("version", "test"))
    service = promotion.service.model_copy(update={"branches": (everything,)})
    return replace(promotion, service=service, push=replace(promotion.push, branch="fix/`|<b>&amp;*x*_y_</b>"))


def row(stage: str, state: str, detail: str) -> dict[str, object]:
    """Return a row of the table."""
    return {"stage": stage, "state": state, "seconds": 2.0, "detail": detail}
