"""How the service is: the version that runs, the database, the time since the start."""

import platform
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import APIRouter, Request, Response

from app import database, settings

router = APIRouter(tags=["health"])

CONTAINER = str(uuid.uuid4())
STARTED = datetime.now(UTC)


@router.get("/health")
async def health(request: Request, response: Response) -> dict[str, Any]:
    """Answer 200 when the service can work, 503 when its database is out of reach."""
    well = await database.answers(request.app.state.engine)
    response.status_code = 200 if well else 503
    now = datetime.now(UTC)
    return {
        "status": "ok" if well else "error",
        "timestamp": moment(now),
        "version": settings.version(),
        "database": "healthy" if well else "unhealthy",
        "container": {
            "id": CONTAINER,
            "system": f"{platform.system()}-{platform.release()}",
            "python_version": platform.python_version(),
        },
        "uptime": uptime(now - STARTED),
    }


def uptime(age: timedelta) -> dict[str, Any]:
    return {
        "seconds": int(age.total_seconds()),
        "human_readable": readable(age),
        "started_at": moment(STARTED),
    }


def readable(age: timedelta) -> str:
    """`1d 20h 58m 5s`, without leading zeros."""
    minutes, seconds = divmod(int(age.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "m"), (seconds, "s")]
    while len(parts) > 1 and parts[0][0] == 0:
        parts.pop(0)
    return " ".join(f"{number}{unit}" for number, unit in parts)


def moment(time: datetime) -> str:
    """UTC, without saying so."""
    return time.replace(tzinfo=None).isoformat()
