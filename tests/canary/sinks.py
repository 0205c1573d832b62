"""Every place where a secret may have got to, as named pieces of bytes: files, databases, git, Prefect's API, AWS."""

import gzip
import json
import subprocess
import zlib
from collections.abc import Iterator, Mapping
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any

import boto3
import httpx
import psycopg
from psycopg import sql

from promoter.secrets import DatabaseCredentials

GZIP = b"\x1f\x8b"
PAGE = 200
"""Objects that one call of Prefect's API returns at most."""
LISTS = (
    "artifacts",
    "automations",
    "block_documents",
    "concurrency_limits",
    "deployments",
    "flow_runs",
    "flows",
    "logs",
    "task_runs",
    "variables",
    "work_pools",
)
"""What Prefect's API lists by `POST /…/filter`; states and their messages come with the runs."""
COLUMNS = """
SELECT table_schema, table_name, column_name, data_type FROM information_schema.columns
JOIN information_schema.tables USING (table_schema, table_name)
WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema')
ORDER BY 1, 2, 3
"""


def files(folder: Path, besides: Mapping[str, str] | None = None) -> Iterator[tuple[str, bytes]]:
    """Yield every file below `folder`, its name included, and unpacked what is packed by gzip.

    `besides` are files and folders in it that are left out, each with the reason why a secret may be there.
    """
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if any(name.is_relative_to(place) for place in besides or {}) or path.is_symlink() or not path.is_file():
            continue
        try:
            data = path.read_bytes()
        except FileNotFoundError:  # somebody who is still at work removed it
            continue
        yield str(path), str(path).encode() + b"\0" + data
        if data.startswith(GZIP):
            yield f"{path} (unpacked)", unpacked(data)


def unpacked(data: bytes) -> bytes:
    """Return what gzip packed, as far as it can be read; a tar archive holds its files as they are."""
    try:
        return gzip.decompress(data)
    except (EOFError, OSError, zlib.error):
        return zlib.decompressobj(wbits=31).decompress(data)


def database(credentials: DatabaseCredentials) -> Iterator[tuple[str, bytes]]:
    """Yield every value of every column of every table, bytes as they are and all else as text."""
    with closing(psycopg.connect(**credentials.connection())) as connection:
        for schema, table, column, kind in connection.execute(COLUMNS).fetchall():
            field = sql.Identifier(column)
            value = field if kind == "bytea" else sql.SQL("{}::text").format(field)
            query = sql.SQL("SELECT {} FROM {} WHERE {} IS NOT NULL").format(
                value, sql.Identifier(schema, table), field
            )
            values = (row[0] for row in connection.execute(query))
            data = b"\n".join(one if isinstance(one, bytes) else one.encode() for one in values)
            yield f"{credentials.database}: {schema}.{table}.{column}", data


def prefect(url: str) -> Iterator[tuple[str, bytes]]:
    """Yield what Prefect's API at `url` tells: runs, parameters, states, logs, artifacts, events, deployments, blocks."""
    with httpx.Client(base_url=url, timeout=60) as client:
        for name in LISTS:
            for offset in count(step=PAGE):
                answer = _told(client, f"/{name}/filter", {"limit": PAGE, "offset": offset})
                yield f"Prefect's API: {name}", json.dumps(answer, ensure_ascii=False).encode()
                if len(answer) < PAGE:  # deployments take no offset, and are few
                    break
        page = _told(client, "/events/filter", {"limit": 50})
        while page["events"]:
            yield "Prefect's API: events", json.dumps(page, ensure_ascii=False).encode()
            if not page["next_page"]:
                break
            page = client.get(page["next_page"]).raise_for_status().json()


def _told(client: httpx.Client, path: str, query: Mapping[str, Any]) -> Any:
    return client.post(path, json=query).raise_for_status().json()


def git(repository: Path) -> Iterator[tuple[str, bytes]]:
    """Yield all objects of a repository, unpacked, and the names of its branches and tags."""
    for words in (["cat-file", "--batch-all-objects", "--batch"], ["for-each-ref"]):
        said = subprocess.run(["git", "-C", repository, *words], capture_output=True, check=True).stdout
        yield f"git {words[0]} in {repository}", said


def aws(session: boto3.Session, endpoint: str | None = None) -> Iterator[tuple[str, bytes]]:
    """Yield all task definitions, services and tasks of ECS, and all log lines; of Secrets Manager what is no value."""
    ecs = session.client("ecs", endpoint_url=endpoint)
    logs = session.client("logs", endpoint_url=endpoint)
    secrets = session.client("secretsmanager", endpoint_url=endpoint)
    for arn in ecs.list_task_definitions()["taskDefinitionArns"]:
        yield _piece(arn, ecs.describe_task_definition(taskDefinition=arn, include=["TAGS"]))
    for cluster in ecs.list_clusters()["clusterArns"]:
        if services := ecs.list_services(cluster=cluster)["serviceArns"]:
            yield _piece(f"services of {cluster}", ecs.describe_services(cluster=cluster, services=services))
        for status in ("RUNNING", "STOPPED"):
            if tasks := ecs.list_tasks(cluster=cluster, desiredStatus=status)["taskArns"]:
                yield _piece(f"tasks of {cluster}", ecs.describe_tasks(cluster=cluster, tasks=tasks[:100]))
    for group in logs.describe_log_groups()["logGroups"]:
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group["logGroupName"])
        yield from (_piece(f"log group {group['logGroupName']}", page["events"]) for page in pages)
    yield _piece("Secrets Manager's list", secrets.list_secrets()["SecretList"])


def _piece(place: str, answer: Any) -> tuple[str, bytes]:
    return place, json.dumps(answer, default=str, ensure_ascii=False).encode()
