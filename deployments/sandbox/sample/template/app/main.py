"""The application: its routes, and the engine that lives as long as it does."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from app import database, health, notes, settings

GREETING = "Write it down."


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    app.state.engine = database.connect()
    yield
    await app.state.engine.dispose()


app = FastAPI(title="sample-api", lifespan=lifespan)
app.include_router(health.router)
app.include_router(notes.router)


@app.get("/")
async def greet() -> dict[str, str]:
    """Say who this is."""
    return {"service": "sample-api", "version": settings.version(), "greeting": GREETING}
