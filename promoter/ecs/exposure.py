"""Refuses a task definition that shows a password to everybody who may read it: among its plain variables, not by its secret's ARN."""

import re
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from promoter.discretion import SHORTEST
from promoter.errors import RolloutError

if TYPE_CHECKING:
    from mypy_boto3_ecs.type_defs import DescribeTaskDefinitionResponseTypeDef

SECRET_NAME = re.compile(
    r"(^|_)((PG|DB)?PASS(WORD|WD|PHRASE|CODE)?|PWD|SECRET|TOKEN|CREDENTIAL|(API)?KEY)S?(_|$)",
    re.IGNORECASE,
)
"""A variable that is called like this holds a secret, unless its value is too short to be one, or `plain_variables` names it."""
URL_PASSWORD = re.compile(r"://[^\s/@:]*:[^\s/@]+@")
"""A value with this in it holds one, whatever it is called."""


def refuse(answer: "DescribeTaskDefinitionResponseTypeDef", plain: Collection[str]) -> None:
    """Raise RolloutError that names, and does not tell, what the definition shows; `plain` are names that only look like secrets."""
    shown = sorted(set(_shown(answer, plain)))
    if shown:
        raise RolloutError(
            f"the task definition shows what looks like a secret to everybody who may read it: {', '.join(shown)}",
            hint="Move it to the container's `secrets`, by the ARN of the secret. If it is none, name it in `plain_variables`.",
        )


def _shown(answer: "DescribeTaskDefinitionResponseTypeDef", plain: Collection[str]) -> Iterator[str]:
    for container in answer["taskDefinition"].get("containerDefinitions", []):
        for variable in container.get("environment", []):
            name, value = variable.get("name", ""), variable.get("value", "")
            if name not in plain and looks_secret(name, value):
                yield f"{name} of {container.get('name', '?')}"


def looks_secret(name: str, value: str) -> bool:
    """Say whether a variable of this name and value looks like a secret."""
    named = len(value) >= SHORTEST and SECRET_NAME.search(name) is not None
    return named or URL_PASSWORD.search(value) is not None
