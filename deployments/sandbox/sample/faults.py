"""The mistakes of the sample service, each as the edit of its sources that makes it and, turned round, mends it."""

from dataclasses import dataclass

from deployments.sandbox.sample.tree import Files

SLOW_SECONDS = 4
"""How much longer a slow start takes, in seconds."""


@dataclass(frozen=True)
class Edit:
    """One text of one file in another's place; undoing it swaps them."""

    path: str
    before: str
    after: str

    def apply(self, files: Files) -> Files:
        """Return `files` with the first `before` replaced; raise ValueError where there is none."""
        if self.before not in files[self.path]:
            msg = f"{self.path} does not hold {self.before!r}"
            raise ValueError(msg)
        return {**files, self.path: files[self.path].replace(self.before, self.after, 1)}

    def undo(self, files: Files) -> Files:
        """Return `files` without this edit; they may not have it."""
        inverse = Edit(self.path, self.after, self.before)
        return inverse.apply(files) if self.after in files[self.path] else files


CRASH_AT_START = (
    Edit("app/__main__.py", "import uvicorn\n", "import os\nimport sys\n\nimport uvicorn\n"),
    Edit(
        "app/__main__.py",
        "    host, port = settings.address()\n",
        '    if "SIGNING_KEY" not in os.environ:\n'
        '        print("SIGNING_KEY is not set", file=sys.stderr)\n'
        "        raise SystemExit(3)\n"
        "    host, port = settings.address()\n",
    ),
)
"""Asks for a variable that no environment has."""

HEALTH_500 = (
    Edit("app/health.py", "import platform\n", "import os\nimport platform\n"),
    Edit(
        "app/health.py",
        "    now = datetime.now(UTC)\n",
        "    now = datetime.now(UTC)\n"
        '    if "BUILD_VERSION" in os.environ:\n'
        '        built = datetime.fromisoformat(os.environ["BUILD_TIME"])\n'
        '        response.headers["X-Build-Age"] = str(datetime.now() - built)\n',
    ),
)
"""Subtracts a time with a zone from one without, in a real build only."""

NAMED_VERSION = 'os.environ.get("BUILD_VERSION", "v0.0.0-local")'

WRONG_VERSION = (Edit("app/settings.py", NAMED_VERSION, 'os.environ.get("RELEASE_VERSION", "v1.0.0")'),)
"""Reads a variable that the build does not set."""

EMPTY_VERSION = (Edit("app/settings.py", NAMED_VERSION, 'os.environ.get("RELEASE_VERSION", "")'),)
"""The same, and says nothing then."""

SLOW_START = (
    Edit("app/__main__.py", "import uvicorn\n", "import time\n\nimport uvicorn\n"),
    Edit(
        "app/__main__.py",
        "    host, port = settings.address()\n",
        f"    time.sleep({SLOW_SECONDS})  # until the cache is warm\n    host, port = settings.address()\n",
    ),
)
"""Is well, but later."""

LOSES_DATABASE = (
    Edit(
        "app/database.py",
        "create_async_engine(database_url(), pool_pre_ping=True)",
        "create_async_engine(database_url(), pool_size=2, max_overflow=0)",
    ),
    Edit("app/database.py", "\n\ndef connect()", "\nWATCHERS = []\n\n\ndef connect()"),
    Edit(
        "app/database.py",
        "        async with asyncio.timeout(PATIENCE), engine.connect() as connection:\n"
        '            await connection.execute(text("SELECT 1"))\n',
        "        async with asyncio.timeout(PATIENCE):\n"
        "            connection = await engine.connect()\n"
        '            await connection.execute(text("SELECT 1"))\n'
        "            WATCHERS.append(connection)\n",
    ),
)
"""Keeps the connection of each health check: the third finds none."""

HANGS = (
    Edit("app/__main__.py", "import uvicorn\n", "import asyncio\n\nimport uvicorn\nfrom fastapi import Request\n"),
    Edit(
        "app/__main__.py",
        "\n\n\ndef main()",
        "\n\none_at_a_time = asyncio.Semaphore(0)\n\n\n"
        '@app.middleware("http")\n'
        "async def wait_for_its_turn(request: Request, answer):\n"
        "    async with one_at_a_time:\n"
        "        return await answer(request)\n\n\n"
        "def main()",
    ),
)
"""Lets none in at a time instead of one."""

FAILING_TEST = (Edit("app/notes.py", "order_by(models.Note.id.desc())", "order_by(models.Note.title)"),)
"""Changes an order that a test knows."""

STALE_LOCK = (Edit("pyproject.toml", '    "uvicorn>=0.34",\n', '    "tzdata>=2025.2",\n    "uvicorn>=0.34",\n'),)
"""Names a dependency and forgets the lock file."""

ALL = (
    CRASH_AT_START,
    HEALTH_500,
    WRONG_VERSION,
    EMPTY_VERSION,
    SLOW_START,
    LOSES_DATABASE,
    HANGS,
    FAILING_TEST,
    STALE_LOCK,
)


def make(fault: tuple[Edit, ...], files: Files) -> Files:
    """Return `files` with `fault`."""
    for edit in fault:
        files = edit.apply(files)
    return files


def mend(files: Files) -> Files:
    """Return `files` without any fault."""
    for fault in ALL:
        if fault[-1].after in files[fault[-1].path]:
            for edit in reversed(fault):
                files = edit.undo(files)
    return files
