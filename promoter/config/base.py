"""What all models of the configuration share."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Seconds = Annotated[float, Field(gt=0, le=24 * 3600)]
Command = Annotated[tuple[str, ...], Field(min_length=1)]


class Model(BaseModel):
    """Frozen, and strict about names: a key that nobody reads is a mistake, not a comment."""

    model_config = ConfigDict(frozen=True, extra="forbid")
