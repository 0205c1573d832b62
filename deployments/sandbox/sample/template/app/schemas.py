"""What requests and answers look like."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field, field_validator


class NewNote(BaseModel):
    title: str = Field(min_length=1, max_length=200)
    body: str = ""
    pinned: bool = False
    tags: list[str] = []


class Note(NewNote):
    model_config = ConfigDict(from_attributes=True)

    id: int
    created_at: datetime

    @field_validator("tags", mode="before")
    @classmethod
    def names(cls, tags: list[object]) -> list[object]:
        return sorted(getattr(tag, "name", tag) for tag in tags)
