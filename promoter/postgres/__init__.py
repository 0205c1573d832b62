"""PostgreSQL servers of our own: their programs, their files, and the running server."""

from promoter.postgres.programs import binaries
from promoter.postgres.server import (
    SAFETY_SCHEMA,
    Server,
    create_database,
    drop_database,
    dump_schema,
    is_running,
    read_schema,
    start,
    stop,
    temporary_server,
)

__all__ = [
    "SAFETY_SCHEMA",
    "Server",
    "binaries",
    "create_database",
    "drop_database",
    "dump_schema",
    "is_running",
    "read_schema",
    "start",
    "stop",
    "temporary_server",
]
