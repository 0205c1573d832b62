"""The service file of the sample service: its ports are those that were free when the sandbox came up."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from deployments.sandbox.sample.repository import START
from promoter.config import (
    BranchRule,
    Checks,
    Dependencies,
    Environment,
    GitHub,
    ImageRule,
    Layers,
    Migrations,
    Service,
)

NAME = "sample-api"
STAGES = ("version", "test", "build", "deploy", "tag", "latest")
PRODUCTION_PLATFORMS = ("linux/amd64", "linux/arm64")
ENVIRONMENTS = {"staging": "dev", "production": "prd"}
"""The environments, and how AWS names call them."""
GITHUB = GitHub(repository="sample/sample-api", repository_id=1_000_001)
"""What the webhook of the sandbox's remote calls it."""
Role = Callable[[str, str], str | None]
"""Returns the ARN of a role by its kind and environment, such as `deployer` and `staging`; None names none."""
BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def service(
    remote: Path,
    registry: str,
    health_urls: Mapping[str, str],
    endpoint_url: str,
    *,
    region: str = "us-east-2",
    platform: str = "linux/amd64",
    role: Role = lambda _kind, _environment: None,
) -> Service:
    """Return the sample service as the sandbox runs it.

    `registry` is `host:port`, `health_urls` has one URL for `staging` and one for `production`, `endpoint_url` is that of
    AWS, `platform` is this machine's, for example `darwin/arm64`, and `role` says which roles the environments name.
    """
    return Service(
        name=NAME,
        repository=str(remote),
        github=GITHUB,
        dependencies=Dependencies(tool="poetry", groups=("dev",)),
        checks=_checks(),
        image=_image(registry),
        migrations=Migrations(timeout=60),
        branches=_branches(platform),
        environments={name: _environment(name, health_urls[name], endpoint_url, region, role) for name in ENVIRONMENTS},
    )


def to_toml(service: Service) -> str:
    """Return `service` as the text of a file that `config.load` reads; what is a default is left out."""
    return "\n".join(_table(service.model_dump(mode="json", exclude_defaults=True), ())).strip() + "\n"


def _checks() -> Checks:
    return Checks(
        test=("pytest", "--junitxml=junit.xml", "--cov=app", "--cov-report=xml"),
        quality=(("ruff", "check", "."), ("ruff", "format", "--check", ".")),
        junit="junit.xml",
        coverage="coverage.xml",
        variables={"ENVIRONMENT": "test"},
        timeout=120,
    )


def _image(registry: str) -> ImageRule:
    return ImageRule(
        repository=f"{registry}/sample/{NAME}",
        builder="layers",
        insecure=True,
        layers=Layers(include=("app", "migrations", "alembic.ini"), command=("python", "-m", "app"), port=8080),
        timeout=300,
    )


def _branches(platform: str) -> tuple[BranchRule, ...]:
    production = tuple(dict.fromkeys((*PRODUCTION_PLATFORMS, platform)))
    return (
        BranchRule(pattern=START, stages=STAGES[:2], suffix="dev"),
        BranchRule(pattern="test", stages=STAGES[:5], suffix="test", platforms=(platform,), environment="staging"),
        BranchRule(pattern="main", stages=STAGES, suffix="", platforms=production, environment="production"),
        BranchRule(pattern="cicd/*", stages=STAGES[:3], platforms=(platform,)),
    )


def _environment(name: str, health_url: str, endpoint_url: str, region: str, role: Role) -> Environment:
    short = ENVIRONMENTS[name]
    return Environment(
        region=region,
        cluster=f"ecs-{short}-sample",
        service=f"svc-{short}-api-service",
        family=f"tsk-{short}-api-service",
        container="sample-api-service",
        secret=f"{short}-sample-api-rds-proxy-credentials",
        health_url=health_url,
        variables={"ENVIRONMENT": short},
        endpoint_url=endpoint_url,
        deployer_role=role("deployer", name),
        migrator_role=role("migrator", name),
        verifier_role=role("verifier", name),
        rollout_timeout=60,
        health_timeout=12,
    )


def _table(values: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    """Yield the lines of one table: plain values first, then what is below it."""
    below = {name: value for name, value in values.items() if isinstance(value, dict) or _are_tables(value)}
    yield from (f"{_key(name)} = {_value(value)}" for name, value in values.items() if name not in below)
    for name, value in below.items():
        here = (*path, name)
        header = ".".join(map(_key, here))
        for table in [value] if isinstance(value, dict) else value:
            yield from ("", f"[{header}]" if isinstance(value, dict) else f"[[{header}]]")
            yield from _table(table, here)


def _are_tables(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)


def _key(name: str) -> str:
    return name if BARE_KEY.fullmatch(name) else _value(name)


def _value(value: object) -> str:
    """Return a value as TOML; JSON's strings, numbers and lists are TOML's too, but for U+007F, which TOML wants escaped."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
