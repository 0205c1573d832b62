"""The notes: list, write, read, delete."""

from fastapi import APIRouter, HTTPException
from sqlalchemy import select

from app import models
from app.database import Session
from app.schemas import NewNote, Note

router = APIRouter(prefix="/notes", tags=["notes"])


@router.get("", response_model=list[Note])
async def read_notes(session: Session) -> list[models.Note]:
    """The notes, newest first."""
    return list(await session.scalars(select(models.Note).order_by(models.Note.id.desc())))


@router.post("", response_model=Note, status_code=201)
async def write_note(new: NewNote, session: Session) -> models.Note:
    """Keep a new note."""
    tags = [models.Tag(name=name) for name in sorted(set(new.tags))]
    note = models.Note(**new.model_dump(exclude={"tags"}), tags=tags)
    session.add(note)
    await session.commit()
    return note


@router.get("/{note_id}", response_model=Note)
async def read_note(note_id: int, session: Session) -> models.Note:
    """One note."""
    note = await session.get(models.Note, note_id)
    if note is None:
        raise HTTPException(404, "no such note")
    return note


@router.delete("/{note_id}", status_code=204)
async def delete_note(note_id: int, session: Session) -> None:
    """Forget a note."""
    await session.delete(await read_note(note_id, session))
    await session.commit()
