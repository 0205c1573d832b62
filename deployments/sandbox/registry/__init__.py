"""An OCI image registry on loopback: the distribution API, with basic or bearer authentication, over one folder."""

from deployments.sandbox.registry.access import Access, User
from deployments.sandbox.registry.server import Running, start

__all__ = ["Access", "Running", "User", "start"]
