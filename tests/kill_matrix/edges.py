"""The edges of a process, where its calls leave it: AWS, HTTP, SQL that changes something, and other programs."""

import json
import os
import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs
from weakref import WeakKeyDictionary

import httpx
import psycopg
from botocore.awsrequest import AWSPreparedRequest
from botocore.httpsession import URLLib3Session
from psycopg import sql

from tests.kill_matrix.calls import Call, Recorder

Name = Callable[..., str | None]
"""Takes the arguments of a call and returns its name, None for what is not ours."""

CHANGE = re.compile(
    r"\s*(?P<verb>INSERT INTO|UPDATE|DELETE FROM|(?:CREATE|DROP|ALTER) [A-Z]+|TRUNCATE|SELECT .*pg_terminate_backend)"
    r"(?: IF NOT EXISTS| IF EXISTS)?\s*\(?(?P<what>[\w.\"-]*)",
    re.DOTALL,
)
IDENTITY = re.compile(r"sha256:[0-9a-f]{64}|(?<=/uploads/)[^?]+|(?<=/)v\d+\.[^/?]*|\?.*")
"""The parts of a URL that are another in each promotion."""
NUMBERS = re.compile(r"_\d+")
"""What keeps the databases of two rehearsals apart."""
SERVICES = {"AmazonEC2ContainerServiceV20141113": "ecs", "Logs_20140328": "logs"}


def install(recorder: Recorder) -> None:
    """Let every call of this process pass `recorder`; for a process that ends afterwards, since nothing is put back."""
    _wrap(URLLib3Session, "send", aws_name, recorder)
    _wrap(httpx.HTTPTransport, "handle_request", http_name, recorder)
    _wrap_awaited(httpx.AsyncHTTPTransport, "handle_async_request", http_name, recorder)
    _wrap_statements(recorder)
    _wrap_processes(recorder)


def aws_name(_session: URLLib3Session, request: AWSPreparedRequest) -> str:
    """Return `aws ecs:UpdateService`."""
    target = _text(request.headers.get("X-Amz-Target"))
    if not target:  # STS speaks the query protocol
        return f"aws sts:{parse_qs(_text(request.body))['Action'][0]}"
    service, _, operation = target.partition(".")
    return f"aws {SERVICES.get(service, service)}:{operation}"


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value or "")


def http_name(_transport: object, request: httpx.Request) -> str | None:
    """Return `registry PUT /v2/sample/manifests/…`; what goes to Prefect is its own affair."""
    url = str(request.url)
    if url.startswith(os.environ["PREFECT_API_URL"]):
        return None
    path = IDENTITY.sub("…", request.url.raw_path.decode())
    return f"{'registry' if path.startswith(('/v2', '/token')) else 'http'} {request.method} {path}"


def statement_name(cursor: psycopg.Cursor[Any], query: object) -> str | None:
    """Return `UPDATE promotions`, None for a statement that only looks or only locks."""
    text = query.as_string(cursor) if isinstance(query, sql.Composable) else query
    found = CHANGE.match(text.decode() if isinstance(text, bytes) else str(text))
    if found is None:
        return None
    if "SELECT" in found["verb"]:
        return "pg_terminate_backend"
    return f"{found['verb'].split()[0]} {NUMBERS.sub('', found['what'])}"


def process_name(argv: Sequence[str], environment: Mapping[str, str] | None) -> str:
    """Return `process git push`: the program, or Python's module or script, and the first word of what it is to do."""
    words = [str(word) for word in argv if not str(word).startswith("--unset=")]
    words = words[1:] if words[0] == "env" else words
    program, *arguments = words
    if arguments and "python" in Path(program).name:
        program, *arguments = arguments[1:] if arguments[0] == "-m" else arguments
    request = json.loads((environment or {}).get("PROMOTER_MIGRATION", "{}"))
    asked = request.get("command", "serve") if request else _first_word(arguments)
    return f"process {Path(program).stem} {asked}".strip()


def _first_word(arguments: Sequence[str]) -> str:
    return next((word for word in arguments if re.fullmatch(r"[a-z][a-z-]*", word)), "")


def _wrap(owner: type, method: str, name: Name, recorder: Recorder) -> None:
    original = getattr(owner, method)

    @wraps(original)
    def call(*arguments: Any, **options: Any) -> Any:
        begun = recorder.begin(name(*arguments, **options))
        recorder.meet(begun, "before")
        answer = original(*arguments, **options)
        recorder.meet(begun, "after")
        return answer

    setattr(owner, method, call)


def _wrap_awaited(owner: type, method: str, name: Name, recorder: Recorder) -> None:
    original = getattr(owner, method)

    @wraps(original)
    async def call(*arguments: Any, **options: Any) -> Any:
        begun = recorder.begin(name(*arguments, **options))
        recorder.meet(begun, "before")
        answer = await original(*arguments, **options)
        recorder.meet(begun, "after")
        return answer

    setattr(owner, method, call)


def _wrap_statements(recorder: Recorder) -> None:
    """Count a transaction as one call, whose moments are those of its COMMIT: what is killed earlier never happened."""
    execute: Callable[..., Any] = psycopg.Cursor.execute
    changes: WeakKeyDictionary[psycopg.Connection[Any], list[str]] = WeakKeyDictionary()

    def remember(cursor: psycopg.Cursor[Any], query: object, *arguments: Any, **options: Any) -> Any:
        name = statement_name(cursor, query)
        connection = cursor.connection
        if name is not None and not connection.autocommit:
            changes.setdefault(connection, []).append(name)
            name = None
        begun = recorder.begin(None if name is None else f"sql {_place(connection)} {name}")
        recorder.meet(begun, "before")
        answer = execute(cursor, query, *arguments, **options)
        recorder.meet(begun, "after")
        return answer

    def commit_name(connection: psycopg.Connection[Any]) -> str | None:
        done = changes.pop(connection, None)
        return None if done is None else f"sql {_place(connection)} {', '.join(dict.fromkeys(done))}"

    setattr(psycopg.Cursor, "execute", remember)  # noqa: B010 - an overloaded method takes no assignment
    _wrap(psycopg.Connection, "commit", commit_name, recorder)


def _place(connection: psycopg.Connection[Any]) -> str:
    """Return which database it is: names of throwaway ones are another each time."""
    name = connection.info.dbname
    return name if name == "ledger" or "-" in name else "throwaway"


def _wrap_processes(recorder: Recorder) -> None:
    begin, communicate = subprocess.Popen.__init__, subprocess.Popen.communicate
    running: WeakKeyDictionary[subprocess.Popen[Any], Call | None] = WeakKeyDictionary()

    def start(self: subprocess.Popen[Any], args: Any, *arguments: Any, **options: Any) -> None:
        call = recorder.begin(process_name(args, options.get("env")))
        recorder.meet(call, "before")
        begin(self, args, *arguments, **options)
        running[self] = call
        recorder.meet(call, "during")

    def end(self: subprocess.Popen[Any], *arguments: Any, **options: Any) -> Any:
        answer = communicate(self, *arguments, **options)
        recorder.meet(running.pop(self, None), "after")
        return answer

    subprocess.Popen.__init__ = start  # type: ignore[method-assign]
    subprocess.Popen.communicate = end  # type: ignore[method-assign]
