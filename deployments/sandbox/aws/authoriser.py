"""Decides whether policies allow a request, in the order that AWS publishes. Pure.

Explicit deny in any policy; then the permissions boundary, the session policy and the identity's own policies must each allow. What it cannot
evaluate it refuses to guess: an unknown operator, a policy variable or an unknown element raises ValueError.

Source: AWS IAM user guide, "Policy evaluation logic", "IAM JSON policy elements" and "Condition operators".
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

Document = Mapping[str, Any]
"""A policy document, parsed."""
Verdict = Literal["allowed", "implicit deny", "explicit deny"]
ELEMENTS = {
    *("Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Principal", "Condition"),
}
IF_EXISTS = "IfExists"


@dataclass(frozen=True)
class Request:
    """What somebody wants to do: one action on one resource."""

    action: str
    """`ecs:UpdateService`."""
    resource: str
    """An ARN, or `*` where the action knows no resources."""
    context: Mapping[str, str] = field(default_factory=dict)
    """Condition keys and their values."""

    def value(self, key: str) -> str | None:
        """Return the value of a condition key, whose letters' case does not matter; None where the request has none."""
        return next((value for name, value in self.context.items() if name.lower() == key.lower()), None)


@dataclass(frozen=True)
class Powers:
    """All policies that hold for one session of a role."""

    identity: tuple[Document, ...]
    """The role's own."""
    boundary: Document | None = None
    """Its permissions boundary; None bounds nothing."""
    session: Document | None = None
    """What the session was narrowed to; None narrows nothing."""

    def verdict(self, request: Request) -> tuple[Verdict, str]:
        """Return the verdict and, where it is a denial, which kind of policy it comes from, in AWS's words."""
        layers = {
            "permissions boundary": () if self.boundary is None else (self.boundary,),
            "session policy": () if self.session is None else (self.session,),
            "identity-based policy": self.identity,
        }
        for name, documents in layers.items():
            if any(matching(document, "Deny", request) for document in documents):
                return "explicit deny", name
        for name, documents in layers.items():
            bounds = bool(documents) or name == "identity-based policy"
            if bounds and not any(matching(document, "Allow", request) for document in documents):
                return "implicit deny", name
        return "allowed", ""

    def allowing(self, request: Request) -> tuple[str, ...]:
        """Return the Sids of the role's own statements that allow the request, whatever bounds them."""
        found = [one for document in self.identity for one in matching(document, "Allow", request)]
        return tuple(str(one.get("Sid", "")) for one in found)


def matching(document: Document, effect: str, request: Request) -> list[Document]:
    """Return the statements of `document` with this effect that are about the request."""
    return [
        statement
        for statement in statements(document)
        if statement["Effect"] == effect and _acts(statement, request) and _concerns(statement, request)
        if _holds(statement.get("Condition", {}), request)
    ]


def trusts(document: Document, principals: Sequence[tuple[str, str]], request: Request) -> bool:
    """Return whether a role's trust policy lets one of `principals` make the request; a principal is a kind and a name.

    For example `("AWS", "arn:aws:iam::…:role/worker")` or `("Service", "ecs-tasks.amazonaws.com")`.
    """

    def asked(effect: str) -> bool:
        return any(
            _named(statement, principals)
            and _acts(statement, request)
            and _holds(statement.get("Condition", {}), request)
            for statement in statements(document)
            if statement["Effect"] == effect
        )

    return asked("Allow") and not asked("Deny")


def statements(document: Document) -> Iterator[Document]:
    """Yield the statements; raise ValueError for an element that nobody here evaluates."""
    for statement in many(document["Statement"]):
        unknown = set(statement) - ELEMENTS
        if unknown:
            raise ValueError(f"the authoriser does not know the element {', '.join(sorted(unknown))}")
        yield statement


def many(value: Any) -> list[Any]:  # noqa: ANN401 - a policy says one thing or a list of them
    """Return the list that one thing or a list of things means."""
    return list(value) if isinstance(value, list | tuple) else [value]


def like(pattern: str, text: str, *, ignore_case: bool = False) -> bool:
    """Return whether `text` fits a pattern in which `*` stands for any characters and `?` for one."""
    if "${" in pattern:
        raise ValueError(f"the authoriser fills in no policy variables: {pattern}")
    return _pattern(pattern, ignore_case).fullmatch(text) is not None


@cache
def _pattern(pattern: str, ignore_case: bool) -> re.Pattern[str]:  # noqa: FBT001 - part of the cache's key
    parts = {"*": ".*", "?": "."}
    expression = "".join(parts.get(one, re.escape(one)) for one in pattern)
    return re.compile(expression, re.DOTALL | (re.IGNORECASE if ignore_case else 0))


def like_arn(pattern: str, text: str) -> bool:
    """Return whether an ARN fits a pattern; no wildcard reaches over one of its first five colons."""
    patterns, parts = pattern.split(":", 5), text.split(":", 5)
    return len(patterns) == len(parts) and all(like(one, part) for one, part in zip(patterns, parts, strict=True))


def _acts(statement: Document, request: Request) -> bool:
    if "NotAction" in statement:
        return not any(like(one, request.action, ignore_case=True) for one in many(statement["NotAction"]))
    return any(like(one, request.action, ignore_case=True) for one in many(statement["Action"]))


def _concerns(statement: Document, request: Request) -> bool:
    if "NotResource" in statement:
        return not any(like(one, request.resource) for one in many(statement["NotResource"]))
    return any(like(one, request.resource) for one in many(statement["Resource"]))


def _named(statement: Document, principals: Sequence[tuple[str, str]]) -> bool:
    principal = statement["Principal"]
    if principal == "*":
        return True
    return any(name in many(principal.get(kind, [])) for kind, name in principals)


Test = Callable[[str, str], bool]
OPERATORS: dict[str, Test] = {
    "StringEquals": lambda pattern, value: pattern == value,
    "StringLike": like,
    "ArnEquals": like_arn,  # AWS: "ArnEquals and ArnLike behave identically"
    "ArnLike": like_arn,
    "Bool": lambda pattern, value: pattern.lower() == value.lower(),
}
NEGATED = {"StringNotEquals": "StringEquals", "StringNotLike": "StringLike"}
"""They hold where no value fits, and where the request does not have the key at all."""


def _holds(conditions: Mapping[str, Mapping[str, Any]], request: Request) -> bool:
    """Return whether every condition holds; the values of one key are alternatives."""
    return all(
        _holds_one(operator, key, [_text(one) for one in many(values)], request)
        for operator, keys in conditions.items()
        for key, values in keys.items()
    )


def _holds_one(operator: str, key: str, values: list[str], request: Request) -> bool:
    value = request.value(key)
    if operator == "Null":
        return any((value is None) == (one == "true") for one in values)
    base = operator.removesuffix(IF_EXISTS)
    if base in NEGATED:
        return value is None or not any(OPERATORS[NEGATED[base]](one, value) for one in values)
    test = OPERATORS.get(base)
    if test is None:
        raise ValueError(f"the authoriser does not know the condition operator {operator}")
    if value is None:
        return operator.endswith(IF_EXISTS)
    return any(test(one, value) for one in values)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
