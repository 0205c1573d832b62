"""The parameters that a person fills in, in the words that Prefect's form shows beside each.

Prefect takes descriptions from a schema, not from pydantic's `Field` in an annotation: it makes a field of its own and forgets that one.
"""

from typing import Annotated

from pydantic import WithJsonSchema

TEXT = {"type": "string"}
OPTIONAL = {"anyOf": [TEXT, {"type": "null"}]}
FLAG = {"type": "boolean"}

ServiceName = Annotated[str, WithJsonSchema({**TEXT, "description": "The service, as its file is called."})]
AnyService = Annotated[
    str | None,
    WithJsonSchema({**OPTIONAL, "description": "One service, as its file is called; empty for all of them."}),
]
Branch = Annotated[str, WithJsonSchema({**TEXT, "description": "The branch that was pushed."})]
Change = Annotated[
    str, WithJsonSchema({**TEXT, "description": "The branch that is to be merged; refs/pull/7/head is pull request 7."})
]
Target = Annotated[str, WithJsonSchema({**TEXT, "description": "The branch that it is to be merged into."})]
EnvironmentName = Annotated[
    str, WithJsonSchema({**TEXT, "description": "The environment, as the service's file calls it."})
]
Commit = Annotated[
    str | None, WithJsonSchema({**OPTIONAL, "description": "A commit of the branch; its head where this is empty."})
]
ReleasedVersion = Annotated[
    str | None,
    WithJsonSchema(
        {
            **OPTIONAL,
            "description": "A version that was once verified there, such as v1.0.3-test; empty is the one before.",
        }
    ),
]
Asker = Annotated[str | None, WithJsonSchema({**OPTIONAL, "description": "Who asks, for the history."})]
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
