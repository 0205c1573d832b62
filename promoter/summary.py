"""Tells a promotion, or the check of a change, as markdown and as a table: what, where, which revisions, how long, and how it ended."""

import re
from collections.abc import Sequence
from functools import singledispatch
from typing import Any, TypeVar

from promoter.changes import Change
from promoter.ledger.promotions import Promotion
from promoter.ledger.steps import Step
from promoter.records import (
    Approval,
    HealthReport,
    Image,
    Rehearsal,
    Release,
    RollbackPlan,
    Rollout,
    SchemaChange,
    SchemaDowngrade,
    SchemaPlan,
    SchemaReview,
    TaskDefinition,
    TestReport,
    TriedImage,
    Version,
)
from promoter.schema import plan_text
from promoter.text import printable

R = TypeVar("R")

MARKUP = re.compile(r"[\\`*_\[\]<>|~&#!]")
"""What a backslash takes its meaning from, https://spec.commonmark.org/0.31.2/#backslash-escapes."""


def headline(promotion: Promotion, steps: Sequence[Step]) -> str:
    """Return `v1.0.3-test → staging`, as far as both are known."""
    version = _result(steps, Version)
    plan = _result(steps, RollbackPlan)
    what = plan.version.tag if plan else version.tag if version else promotion.push.commit[:12]
    back = " (rollback)" if promotion.rollback_to else ""
    return f"{what} → {promotion.rule.environment or promotion.push.branch}{back}"


def markdown(promotion: Promotion, steps: Sequence[Step]) -> str:
    """Return the whole story; text from outside is shown as plain text."""
    outcome = promotion.outcome or ("verified" if promotion.verified_at else "under way")
    return _story(f"{_plain(headline(promotion, steps))}: {outcome}", _facts(promotion, steps), promotion.cause, steps)


def check_headline(change: Change, version: Version) -> str:
    """Return `check feat/x 1a2b3c4: v1.0.4-dev`; the version is what it would get."""
    return f"check {change.push.branch} {change.push.commit[:7]}: {version.tag}"


def check_markdown(change: Change, version: Version, steps: Sequence[Step]) -> str:
    """Return what the check of a change found; text from outside is shown as plain text."""
    errors = [step.error for step in steps if step.error]
    title = f"{_plain(check_headline(change, version))}: {'failed' if errors else 'passed'}"
    return _story(title, _change_facts(change, version, steps), "\n".join(errors), steps)


def unfinished_markdown(title: str, cause: str) -> str:
    """Return what there is to tell of a check that came to no end of its own."""
    return _story(f"{_plain(title)}: came to no end", [], cause, [])


def table(steps: Sequence[Step]) -> list[dict[str, Any]]:
    """Return one row per stage: its state, its time in seconds, what it found."""
    return [
        {"stage": step.stage, "state": _state(step), "seconds": _seconds(step), "detail": detail(step)}
        for step in steps
    ]


def detail(step: Step) -> str:
    """Return one line on what a stage found or did, or what went wrong in it."""
    return printable(step.error.splitlines()[0], 160) if step.error else describe(step.result)


@singledispatch
def describe(record: object) -> str:
    """Return one line on a record."""
    return "" if record is None else type(record).__name__


@describe.register
def _version(version: Version) -> str:
    return f"{version.tag}: {version.reason}"


@describe.register
def _test_report(report: TestReport) -> str:
    covered = "" if report.coverage is None else f", {report.coverage:.0%} covered"
    return f"{report.passed} passed{f', {report.skipped} skipped' if report.skipped else ''}{covered}"


@describe.register
def _rehearsal(rehearsal: Rehearsal) -> str:
    return f"{rehearsal.verdict}: {rehearsal.detail}"


@describe.register
def _schema_plan(plan: SchemaPlan) -> str:
    if not plan.revisions:
        return "nothing is pending"
    return f"{len(plan.revisions)} pending; this release can be rolled back: {plan.way_back}"


@describe.register
def _schema_review(review: SchemaReview) -> str:
    return "; ".join(review.warnings) or "no objection"


@describe.register
def _image(image: Image) -> str:
    return f"{image.tag} {image.digest.partition(':')[2][:12]} for {', '.join(image.platforms)}"


@describe.register
def _tried_image(image: TriedImage) -> str:
    return f"{image.digest.partition(':')[2][:12]} for {', '.join(image.platforms)}, not pushed"


@describe.register
def _schema_change(change: SchemaChange) -> str:
    unchanged = change.before == change.after
    copied = f"; copied before: {', '.join(one.of for one in change.copies)}" if change.copies else ""
    return f"at {_heads(change.after)}" if unchanged else f"{_heads(change.before)} → {_heads(change.after)}{copied}"


@describe.register
def _schema_downgrade(change: SchemaDowngrade) -> str:
    return f"{_heads(change.before)} → {_heads(change.after)}"


@describe.register
def _rollback_plan(plan: RollbackPlan) -> str:
    return f"{plan.leaves} → {plan.version.tag}: {plan.reason}"


@describe.register
def _task_definition(definition: TaskDefinition) -> str:
    return _definition(definition.after)


@describe.register
def _rollout(rollout: Rollout) -> str:
    return f"{_definition(rollout.before)} → {_definition(rollout.after)}"


@describe.register
def _health(health: HealthReport) -> str:
    return f"{health.version}, {health.answers} right answers in a row"


@describe.register
def _approval(approval: Approval) -> str:
    return f"by {approval.by}{f': {approval.reason}' if approval.reason else ''}"


@describe.register
def _release(release: Release) -> str:
    return f"{release.tag}{', latest' if release.latest else ''}"


def _story(title: str, facts: Sequence[tuple[str, str | None]], cause: str | None, steps: Sequence[Step]) -> str:
    rows = "\n".join(f"| {name} | {value} |" for name, value in facts if value)
    parts = [f"# {title}", f"| | |\n|---|---|\n{rows}"]
    if cause:
        parts.append("## Why\n\n" + _quoted(cause))
    report = _result(steps, TestReport)
    if report is not None:
        parts.append("## Tests\n\n" + _tests(report))
    plan = _result(steps, SchemaPlan)
    if plan is not None and plan.revisions:
        parts.append("## Schema\n\n" + _schema(plan))
    change = next((step.intent for step in steps if isinstance(step.intent, SchemaChange)), None)
    if change is not None and change.copies:
        parts.append("## Safety copies\n\n" + _safety_copies(change))
    parts.append("## Stages\n\n" + _stage_table(steps))
    return "\n\n".join(parts) + "\n"


def _facts(promotion: Promotion, steps: Sequence[Step]) -> list[tuple[str, str | None]]:
    image, change, rollout = _result(steps, Image), _result(steps, SchemaChange), _result(steps, Rollout)
    return [
        ("service", promotion.service.name),
        ("commit", f"`{promotion.push.commit}` on {_plain(promotion.push.branch, 80)}"),
        ("image", f"`{image.reference}`" if image else None),
        ("schema", f"{_heads(change.before)} → {_heads(change.after)}" if change else None),
        ("task definition", f"{_definition(rollout.before)} → {_definition(rollout.after)}" if rollout else None),
        ("health", promotion.environment.health_url if promotion.rule.environment else None),
    ]


def _change_facts(change: Change, version: Version, steps: Sequence[Step]) -> list[tuple[str, str | None]]:
    plan, image = _result(steps, SchemaPlan), _result(steps, TriedImage)
    return [
        ("service", change.service.name),
        ("commit", f"`{change.push.commit}` on {_plain(change.push.branch, 80)}"),
        ("into", f"{_plain(change.target, 80)} at `{change.onto[:12]}`"),
        ("version", f"{version.tag}, not reserved: {_plain(version.reason)}"),
        ("image", f"`{image.digest}`, not pushed" if image else None),
        ("schema", f"{_heads(plan.start)} → {_heads(plan.end)}" if plan else None),
    ]


def _tests(report: TestReport) -> str:
    lines = [f"{report.passed} passed, {report.failed} failed, {report.skipped} skipped in {report.seconds:.1f} s."]
    if report.coverage is not None:
        upload = report.coverage_upload + (f": {report.coverage_detail}" if report.coverage_detail else "")
        lines.append(f"Coverage {report.coverage:.1%}; upload {_plain(upload)}.")
    lines += [f"{_plain(failure.name)}\n\n{_quoted(failure.message)}" for failure in report.failures]
    return "\n\n".join(lines)


def _schema(plan: SchemaPlan) -> str:
    parts = [f"This release can be rolled back: {_plain(plan.way_back, 600)}"]
    for one in plan.revisions:
        verdict = f"{one.verdict}: {one.detail}" if one.verdict else "not rehearsed"
        facts = [_plain(f"{one.file}:{one.line}"), f"rehearsal {_plain(verdict, 400)}"]
        facts += [f"locks {_plain(line)}" for line in plan_text.locked(one)] + [
            _plain(line, 600) for line in plan_text.notes(one)
        ]
        parts.append(f"### {_plain(one.revision)}: {_plain(one.message)}")
        parts.append("\n".join(f"- {fact}" for fact in facts))
        parts += ["SQL:", _quoted(one.sql or one.unwritten or "none")]  # the paragraph ends the list
    return "\n\n".join(parts)


def _safety_copies(change: SchemaChange) -> str:
    text = "Once the schema has a place for it again, each of these commands puts back what was destroyed:"
    return "\n\n".join([text, *(_quoted(f"-- {one.of}\n{one.restore};") for one in change.copies)])


def _stage_table(steps: Sequence[Step]) -> str:
    rows = (f"| {row['stage']} | {row['state']} | {row['seconds']} | {_plain(row['detail'])} |" for row in table(steps))
    return "\n".join(["| stage | state | seconds | |", "|---|---|---|---|", *rows])


def _state(step: Step) -> str:
    if step.undone is not None:
        return {"undone": "taken back", "kept": "kept"}.get(step.undone, step.undone)
    return "failed" if step.error else "done" if step.result is not None else "under way"


def _seconds(step: Step) -> float | None:
    return None if step.finished_at is None else round((step.finished_at - step.started_at).total_seconds(), 2)


def _result(steps: Sequence[Step], kind: type[R]) -> R | None:
    found = [step.result for step in steps if isinstance(step.result, kind)]
    return found[-1] if found else None


def _heads(heads: Sequence[str]) -> str:
    return ", ".join(heads) or "empty"


def _definition(arn: str) -> str:
    return arn.rpartition("/")[2]


def _plain(text: str, limit: int = 200) -> str:
    """Return text from outside so that Markdown shows it as it is, on one line and in one cell."""
    return MARKUP.sub(r"\\\g<0>", printable(text, limit))


def _quoted(text: str) -> str:
    return "\n".join("    " + printable(line, 400) for line in text.splitlines()[:60])
