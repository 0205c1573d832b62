"""Puts our ECS, our answers about targets and our authorisation into moto's server.

These are the private seams of moto 5.2.5 that the sandbox stands on; there are no others.
"""

import logging
import socket
from typing import Any

import moto.ecs.urls
import moto.secretsmanager.urls
from moto.elbv2.models import ELBv2Backend, FakeHealthStatus
from moto.server import ThreadedMotoServer

from deployments.sandbox.aws import enforcement
from deployments.sandbox.aws.authorization import SecretsManagerEndpoint
from deployments.sandbox.aws.endpoint import EcsEndpoint
from deployments.sandbox.aws.load_balancer import LoadBalancer
from deployments.sandbox.aws.regions import Regions
from deployments.sandbox.aws.trail import Trail
from promoter.errors import ConfigurationError


def serve(port: int, regions: Regions, balancer: LoadBalancer, trail: Trail) -> ThreadedMotoServer:
    """Start moto's server on loopback, with everything of ours in it; port 0 takes a free one.

    Raises ConfigurationError if somebody listens on the port; moto itself would wait for ever.
    """
    _probe(port)
    EcsEndpoint.regions = regions
    moto.ecs.urls.url_paths = {"{0}/$": EcsEndpoint.dispatch}
    moto.secretsmanager.urls.url_paths = {"{0}/$": SecretsManagerEndpoint.dispatch}
    _show_targets(balancer)
    enforcement.enforce(trail)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    server.start()
    return server


def _probe(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise ConfigurationError(
                f"port {port} of 127.0.0.1 is taken: {error}", hint="0 takes a free one."
            ) from error


def _show_targets(balancer: LoadBalancer) -> None:
    """Let DescribeTargetHealth tell of the targets that really are there."""
    original = ELBv2Backend.describe_target_health

    def describe(backend: ELBv2Backend, target_group_arn: str, targets: list[dict[str, Any]]) -> list[FakeHealthStatus]:
        ours = [
            FakeHealthStatus("127.0.0.1", str(target.port), str(target.port), target.state)
            for target in balancer.targets(target_group_arn)
        ]
        return ours or original(backend, target_group_arn, targets)

    setattr(ELBv2Backend, "describe_target_health", describe)  # noqa: B010 - a seam, said openly
