"""Says what is wrong in a configuration file: the key, what was expected there, and the nearest right name."""

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

Location = tuple[int | str, ...]

KINDS = {
    "bool": "true or false",
    "dict": "a table",
    "float": "a number",
    "int": "a whole number",
    "model": "a table",
    "string": "a text",
    "tuple": "a list",
}
"""What was expected, by the first word of pydantic's error type."""
LIMITS = {
    "greater_than": "more than {gt:g}",
    "greater_than_equal": "at least {ge:g}",
    "less_than_equal": "at most {le:g}",
    "too_short": "at least {min_length} of them",
    "finite_number": "a finite number",
}
"""The same, by the whole type; filled in from the error's context."""


def explain(
    error: ValidationError, model: type[BaseModel], data: Mapping[str, Any], patterns: Mapping[str, str]
) -> list[str]:
    """Return one line for each mistake in `data`: `KEY: is …, expected …`.

    `patterns` says in words what a text that has to match a pattern looks like. A value that may hold a password is not shown.
    """
    problems = error.errors(include_url=False)
    unknown = {problem["loc"] for problem in problems if problem["type"] == "extra_forbidden"}
    misspelt = {(*loc[:-1], closest(str(loc[-1]), _keys(model, loc[:-1]))) for loc in unknown}
    within = {problem["loc"][:-1] for problem in problems}
    echoes = {("missing", loc) for loc in misspelt} | {("too_short", loc) for loc in within}
    said = (problem for problem in problems if (problem["type"], problem["loc"]) not in echoes)
    return [f"{_shown(problem['loc'], data)}{_sentence(problem, model, patterns)}" for problem in said]


def closest(name: str, names: Iterable[str]) -> str | None:
    """Return the one of `names` that `name` is nearest to, None where none is near."""
    return next(iter(difflib.get_close_matches(name, list(names), n=1)), None)


def did_you_mean(name: str, names: Iterable[str]) -> str | None:
    """Return the question whether the nearest of `names` was meant, None where none is near."""
    found = closest(name, names)
    return f"Did you mean {found!r}?" if found else None


def _sentence(problem: ErrorDetails, model: type[BaseModel], patterns: Mapping[str, str]) -> str:
    kind, loc, context = problem["type"], problem["loc"], problem.get("ctx", {})
    match kind:
        case "missing":
            return "is missing"
        case "extra_forbidden":
            return _with_names("is no key here", str(loc[-1]), _keys(model, loc[:-1]))
        case "literal_error":
            return _with_names(f"is {problem['input']!r}", str(problem["input"]), _choices(context["expected"]))
        case "value_error":
            return str(context["error"])
        case "string_pattern_mismatch":
            expected = patterns.get(context["pattern"], f"a text like {context['pattern']}")
        case _ if kind in LIMITS:
            expected = LIMITS[kind].format(**context)
        case _:
            expected = KINDS.get(kind.split("_")[0], problem["msg"])
    return f"is {_value(problem['input'])}, expected {expected}"


def _with_names(found: str, name: str, names: list[str]) -> str:
    question = did_you_mean(name, names)
    return f"{found}, expected one of {', '.join(names)}" + (f". {question}" if question else "")


def _choices(expected: str) -> list[str]:
    """Return the names in `'a', 'b' or 'c'`."""
    return expected.replace("'", "").replace(" or ", ", ").split(", ")


def _value(value: object) -> str:
    text = repr(value)
    return "something else" if "://" in text or len(text) > 60 else text


def _shown(loc: Location, data: object) -> str:
    """Return `branches[test].stages: `; a list's table is called by its `pattern`, nothing stands for the whole file."""
    shown = ""
    for part in loc:
        data = _inside(data, part)
        name = data.get("pattern", part) if isinstance(data, dict) else part
        if part != "[key]":  # pydantic's name for a key that is wrong itself
            shown += f"[{name}]" if isinstance(part, int) else f".{part}"
    return f"{shown.removeprefix('.')}: " if shown else ""


def _inside(data: object, part: int | str) -> object:
    """Return what `data` has at `part`; it need not have the shape that it should have."""
    if isinstance(data, dict):
        return data.get(part)
    return data[part] if isinstance(data, list) and isinstance(part, int) else None


def _keys(model: type[BaseModel], loc: Location) -> list[str]:
    """Return the keys that the table at `loc` may have."""
    parts = iter(loc)
    for part in parts:
        annotation = model.model_fields[str(part)].annotation
        model = next(_models(annotation))
        if get_origin(annotation) in {dict, tuple}:
            next(parts)  # which one of them
    return list(model.model_fields)


def _models(annotation: object) -> Iterator[type[BaseModel]]:
    """Yield the models in an annotation such as `tuple[Model, ...]`, `dict[Name, Model]` or `Model | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)
