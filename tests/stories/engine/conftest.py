"""A small service, and a repository for it in the registry of a real engine."""

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from promoter import shell
from promoter.config import Dependencies, ImageRule
from promoter.errors import CommandError
from promoter.images import BuildPlan
from promoter.registry import Registry

BOTH = ("linux/amd64", "linux/arm64")
DOCKERFILE = """\
FROM --platform=$BUILDPLATFORM python:3.11-slim AS parts
RUN python -c "open('/part', 'w').write('made here')"
FROM python:3.11-slim
RUN python -c "import platform; open('/machine', 'w').write(platform.machine())"
COPY --from=parts /part /part
COPY server.py /app/server.py
ARG BUILD_VERSION
ENV VERSION=$BUILD_VERSION
USER {user}
CMD ["python", "/app/server.py"]
"""
SERVER = """\
import http.server, json, os

class Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({"status": "ok", "version": os.environ["VERSION"], "user": os.getuid()}).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Health).serve_forever()
"""


@pytest.fixture(scope="module")
def engine_registry() -> str:
    """Return `host:port` of the throwaway engine's registry; without an engine, skip or fail with the reason."""
    try:
        shell.run(["docker", "buildx", "version"])
        shell.run(["docker", "info"])
        return os.environ["PROMOTER_TEST_REGISTRY"]
    except (CommandError, KeyError) as error:
        reason = f"no Docker engine with Buildx and PROMOTER_TEST_REGISTRY (.ci/engine brings them): {error}"
        if os.environ.get("PROMOTER_REQUIRE_ENGINE") == "1":
            pytest.fail(reason)
        pytest.skip(reason.splitlines()[0])


@pytest.fixture
def rule(engine_registry: str) -> ImageRule:
    """Return the rule of a repository that is empty."""
    repository = f"{engine_registry}/story/{uuid4().hex}"
    return ImageRule(repository=repository, cache=f"{repository}-cache:main", insecure=True)


@pytest.fixture
def registry(rule: ImageRule) -> Iterator[Registry]:
    """Return a client of that repository."""
    with Registry(rule.repository, insecure=True) as client:
        yield client


@pytest.fixture
def make_plan(rule: ImageRule, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., BuildPlan]:
    """Return a maker of plans for a small service."""
    monkeypatch.setenv("PROMOTER_CACHE", str(tmp_path / "cache"))

    def make(*, tag: str = "v1.0.5", user: str = "10001", platforms: tuple[str, ...] = BOTH) -> BuildPlan:
        checkout = tmp_path / "checkout"
        checkout.mkdir(exist_ok=True)
        (checkout / "Dockerfile").write_text(DOCKERFILE.format(user=user))
        (checkout / "server.py").write_text(SERVER)
        return BuildPlan(
            repository=rule.repository,
            tag=tag,
            commit="c" * 40,
            build_time=datetime(2025, 9, 12, 13, 45, 23, tzinfo=UTC),
            platforms=platforms,
            checkout=checkout,
            dependencies=Dependencies(tool="poetry"),
        )

    return make
