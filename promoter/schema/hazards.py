"""Says which pending revision destroys something or breaks the release before: by its rehearsal, else by what the linter saw; pure."""

from collections.abc import Mapping, Sequence

from promoter.records import HazardKind, LintFinding, Rehearsal
from promoter.schema.lint import DESTRUCTIVE, INCOMPATIBLE

Found = dict[HazardKind, tuple[str, ...]]
"""What is destroyed, what the release before runs against."""


def hazards(rehearsal: Rehearsal, findings: Mapping[str, Sequence[LintFinding]]) -> dict[str, Found]:
    """Return the hazards of each revision of `findings`, which has all pending ones, oldest first.

    What one revision breaks and the next one mends is none: the path as a whole decides, and its parts are found in the revisions.
    """
    pending = list(findings)
    destroyed = blame(rehearsal.lost, {one.revision: one.lost for one in rehearsal.revisions}, pending)
    broken = blame(rehearsal.obstacles, {one.revision: one.obstacles for one in rehearsal.revisions}, pending)
    proved = {one.revision for one in rehearsal.revisions if one.verdict != "unproved"}
    found: dict[str, Found] = {}
    for revision in pending:
        seen = () if revision in proved else findings[revision]
        kinds: dict[HazardKind, tuple[str, ...]] = {
            "destructive": destroyed.get(revision) or _said(seen, DESTRUCTIVE),
            "incompatible": broken.get(revision) or _said(seen, INCOMPATIBLE),
        }
        found[revision] = {kind: what for kind, what in kinds.items() if what}
    return found


def blame(
    path: Sequence[str], parts: Mapping[str, Sequence[str]], pending: Sequence[str]
) -> dict[str, tuple[str, ...]]:
    """Divide what the whole `path` does among its revisions, by what each of them does on its own (`parts`).

    What no revision does under the same name goes to all that do something else, or to the last one.
    """
    named = {name: tuple(what for what in parts.get(name, ()) if what in path) for name in pending}
    left = tuple(what for what in path if not any(what in found for found in named.values()))
    if left:
        suspects = [name for name in pending if parts.get(name) and not named[name]] or [*pending[-1:]]
        named |= {name: (*named[name], *left) for name in suspects}
    return {name: what for name, what in named.items() if what}


def _said(findings: Sequence[LintFinding], rules: frozenset[str]) -> tuple[str, ...]:
    return tuple(f"{one.message} ({one.rule})" for one in findings if one.rule in rules)
