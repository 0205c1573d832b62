"""The one engine, and the question whether the database answers."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from app.settings import database_url

PATIENCE = 2.0
"""How long the database may take to answer a health check, in seconds."""


def connect() -> AsyncEngine:
    """Make the engine; nothing is sent before the first query."""
    return create_async_engine(database_url(), pool_pre_ping=True)


async def answers(engine: AsyncEngine) -> bool:
    """Whether the database answers a trivial query in time."""
    try:
        async with asyncio.timeout(PATIENCE), engine.connect() as connection:
            await connection.execute(text("SELECT 1"))
    except (OSError, TimeoutError, SQLAlchemyError):
        return False
    return True


async def session(request: Request) -> AsyncIterator[AsyncSession]:
    """One session, one transaction, for one request."""
    async with AsyncSession(request.app.state.engine, expire_on_commit=False) as session:
        yield session


Session = Annotated[AsyncSession, Depends(session)]
