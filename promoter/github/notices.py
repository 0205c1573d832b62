"""Says from the ledger what GitHub ought to show of a promotion; pure, so that what was told can be compared with it.

Each notice has a key: of what stands under one key on GitHub, only the newest counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Literal
from urllib.parse import urlsplit
from uuid import UUID

from promoter import summary
from promoter.ledger.changes import Asked
from promoter.ledger.promotions import Outcome, Promotion
from promoter.ledger.steps import Step
from promoter.records import Image, RollbackPlan
from promoter.records import Release as Released
from promoter.recovery import changes
from promoter.text import printable

State = Literal["pending", "success", "failure", "error"]
"""Of a commit status, https://docs.github.com/rest/commits/statuses."""
DeploymentState = Literal["queued", "in_progress", "success", "failure", "error", "inactive"]
"""Of a Deployment, https://docs.github.com/rest/deployments/statuses."""

LONGEST = 140
"""Characters of a description, of a commit status and of a Deployment's."""
LONGEST_CONTEXT = 255
OUTCOMES: dict[Outcome, State] = {
    "released": "success",
    "rolled_back": "failure",
    "schema_kept": "failure",
    "rejected": "failure",
    "superseded": "error",
    "frozen": "error",
}
"""The commit status of a promotion that ended."""


@dataclass(frozen=True)
class Status:
    """A commit status; GitHub shows the last one of each context."""

    commit: str
    context: str
    """`promoter/SERVICE/PLACE/STAGE`, for the whole promotion without the stage."""
    state: State
    description: str
    link: str | None

    @property
    def key(self) -> str:
        """What it stands under on GitHub."""
        return f"status {self.commit} {self.context}"


@dataclass(frozen=True)
class Deployment:
    """A Deployment to an environment with its last state."""

    promotion: UUID
    commit: str
    environment: str
    task: str
    """What is done: `deploy:SERVICE` or `rollback:SERVICE`."""
    state: DeploymentState
    description: str
    link: str | None
    """The run."""
    url: str
    """Where the environment answers."""
    production: bool

    @property
    def key(self) -> str:
        """What it stands under on GitHub."""
        return f"deployment {self.promotion}"


@dataclass(frozen=True)
class Release:
    """A release of a tag, with notes that GitHub writes."""

    tag: str
    commit: str
    is_clean: bool
    """Whether it is one for everybody: not a prerelease, and the latest one."""

    @property
    def key(self) -> str:
        """What it stands under on GitHub."""
        return f"release {self.tag}"

    @property
    def state(self) -> str:
        """It is there or it is not."""
        return "published"


@dataclass(frozen=True)
class Comment:
    """The one comment of ours on a pull request."""

    number: int
    """The pull request's."""
    marker: str
    """A line that Markdown hides, by which the comment is known again."""
    text: str

    @property
    def key(self) -> str:
        """What it stands under on GitHub."""
        return f"comment {self.number} {self.marker}"

    @property
    def state(self) -> str:
        """It is there or it is not."""
        return "written"


Notice = Status | Deployment | Release | Comment


def of_promotion(
    promotion: Promotion, steps: Sequence[Step], *, is_current: bool, link: str | None = None
) -> list[Notice]:
    """Return all that GitHub ought to show of `promotion`, what matters most first; `link` leads to its run.

    `is_current` says whether its release is the one that runs in its environment, if it was verified.
    """
    found: list[Notice] = [
        *_deployments(promotion, steps, link, is_current=is_current),
        *_releases(promotion, steps),
        _whole(promotion, steps, link),
    ]
    return found + [_stage(promotion, step, link) for step in steps]


def of_change(asked: Asked, *, link: str | None = None) -> list[Notice]:
    """Return all that GitHub ought to show of the check of a pull request: the comment, and a status of its head."""
    title = asked.title or f"check pull/{asked.number} {asked.commit[:7]}"
    state: State = asked.state or "pending"
    outcome = {"success": "passed", "failure": "failed", "pending": "under way"}.get(state, "came to no end")
    report = asked.report or f"# {title}: {outcome}\n"
    return [
        Comment(asked.number, f"<!-- promoter: {asked.service} -->", unmentioning(report)),
        Status(
            asked.commit,
            printable(f"promoter/{asked.service}/check", LONGEST_CONTEXT),
            state,
            printable(f"{title}: {outcome}", LONGEST),
            link,
        ),
    ]


def unmentioning(text: str) -> str:
    """Return Markdown in which `@somebody` calls nobody: an invisible space follows each `@`."""
    return text.replace("@", "@\u200b")


def fingerprint(notice: Notice) -> str:
    """Return what is the same for the same notice, and for no other; not every process knows the address of the run."""
    said = replace(notice, link=None) if isinstance(notice, Status | Deployment) else notice
    return blake2b(repr(said).encode(), digest_size=16).hexdigest()


def place(promotion: Promotion) -> str:
    """Return where a promotion leads to: its environment, or its branch where it changes none."""
    return promotion.rule.environment or promotion.push.branch


def context(promotion: Promotion, stage: str | None = None) -> str:
    """Return the context of a commit status; one commit may be promoted to several places, and be that of several services."""
    words = ["promoter", promotion.service.name, place(promotion), *([stage] if stage else [])]
    return printable("/".join(words), LONGEST_CONTEXT)


def _stage(promotion: Promotion, step: Step, link: str | None) -> Status:
    state, words = _progress(promotion, step)
    described = ": ".join(filter(None, [words, summary.detail(step)]))
    return Status(
        promotion.push.commit, context(promotion, step.stage), state, printable(described or "under way", LONGEST), link
    )


def _progress(promotion: Promotion, step: Step) -> tuple[State, str]:
    """Return how far a stage came, and a word on it where its record alone would mislead."""
    if step.undone == "undone":
        return "failure", "taken back"
    if step.undone == "kept":
        return "failure", "kept"
    if step.error is not None:
        return "failure", ""
    if step.result is not None:
        return "success", ""
    return ("pending", "") if promotion.ended_at is None else ("error", "cut off")


def _whole(promotion: Promotion, steps: Sequence[Step], link: str | None) -> Status:
    state: State = "pending" if promotion.outcome is None else OUTCOMES[promotion.outcome]
    return Status(promotion.push.commit, context(promotion), state, _described(promotion, steps), link)


def _described(promotion: Promotion, steps: Sequence[Step]) -> str:
    outcome = (promotion.outcome or "under way").replace("_", " ")
    cause = f": {promotion.cause}" if promotion.cause else ""
    return printable(f"{summary.headline(promotion, steps)}: {outcome}{cause}", LONGEST)


def _deployments(
    promotion: Promotion, steps: Sequence[Step], link: str | None, *, is_current: bool
) -> list[Deployment]:
    """Return the Deployment of a promotion that came as far as to want its environment; what fails before never was one.

    Only a verified release is ever `success`, and it stays so until another one is: a release that is taken back leaves the older
    one active, as it is.
    """
    state = _deployment_state(promotion, steps, is_current=is_current)
    if promotion.rule.environment is None or state is None:
        return []
    address = urlsplit(promotion.environment.health_url)
    return [
        Deployment(
            promotion.id,
            promotion.push.commit,
            promotion.rule.environment,
            f"{'rollback' if promotion.rollback_to else 'deploy'}:{promotion.service.name}",
            state,
            _described(promotion, steps),
            link,
            f"{address.scheme}://{address.netloc}/",
            "latest" in promotion.rule.stages,
        )
    ]


def _deployment_state(promotion: Promotion, steps: Sequence[Step], *, is_current: bool) -> DeploymentState | None:
    begun = changes(steps)
    if promotion.verified_at is not None:
        return "success" if is_current else "inactive"
    if not begun and not any(isinstance(step.result, Image | RollbackPlan) for step in steps):
        return None
    if promotion.outcome is None:
        return "in_progress" if begun else "queued"
    if promotion.outcome == "superseded":
        return "inactive"
    return "error" if promotion.outcome == "frozen" else "failure"


def _releases(promotion: Promotion, steps: Sequence[Step]) -> list[Release]:
    """Return the release of a tag that is pushed; GitHub would make a tag that it does not have."""
    tagged = [step.result for step in steps if step.stage == "tag_release" and isinstance(step.result, Released)]
    return [Release(one.tag, one.commit, is_clean="latest" in promotion.rule.stages) for one in tagged]
