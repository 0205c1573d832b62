"""The parameters that a person fills in, in the words that Prefect's form shows beside each.

Prefect takes descriptions from a schema, not from pydantic's `Field` in an annotation: it makes a field of its own and forgets that one. The server
validates by the same schema, before there is a run.
"""

from typing import Annotated

from pydantic import WithJsonSchema

from promoter.config.models import NAME

TEXT = {"type": "string"}
NAMED = {**TEXT, "pattern": NAME}
REVISION = {**TEXT, "pattern": r"^(?!-)[^\s~^:?*\[\\]+$"}
"""What git-check-ref-format(1) lets a branch or a commit be called, as far as a form can tell."""
NOTHING = {"type": "null"}
FLAG = {"type": "boolean"}

ServiceName = Annotated[str, WithJsonSchema({**NAMED, "description": "The service, as its file is called."})]
AnyService = Annotated[
    str | None,
    WithJsonSchema(
        {"anyOf": [NAMED, NOTHING], "description": "One service, as its file is called; empty for all of them."}
    ),
]
Branch = Annotated[str, WithJsonSchema({**REVISION, "description": "The branch that was pushed."})]
Change = Annotated[
    str,
    WithJsonSchema({**REVISION, "description": "The branch that is to be merged; refs/pull/7/head is pull request 7."}),
]
Target = Annotated[str, WithJsonSchema({**REVISION, "description": "The branch that it is to be merged into."})]
EnvironmentName = Annotated[
    str, WithJsonSchema({**NAMED, "description": "The environment, as the service's file calls it."})
]
Commit = Annotated[
    str | None,
    WithJsonSchema(
        {"anyOf": [REVISION, NOTHING], "description": "A commit of the branch; its head where this is empty."}
    ),
]
ReleasedVersion = Annotated[
    str | None,
    WithJsonSchema(
        {
            "anyOf": [REVISION, NOTHING],
            "description": "A version that was once verified there, such as v1.0.3-test; empty is the one before.",
        }
    ),
]
Asker = Annotated[str | None, WithJsonSchema({"anyOf": [TEXT, NOTHING], "description": "Who asks, for the history."})]
Force = Annotated[
    bool,
    WithJsonSchema(
        {
            **FLAG,
            "description": "Also a commit that was taken back before, is older than what runs, or left its branch.",
        }
    ),
]
WithDowngrade = Annotated[
    bool, WithJsonSchema({**FLAG, "description": "Take the schema back too, where that loses nothing."})
]
