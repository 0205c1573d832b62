"""Image registries: one repository, the connection to it, and the login that it asks for."""

from promoter.registry.repository import Manifest, Registry, split

__all__ = ["Manifest", "Registry", "split"]
