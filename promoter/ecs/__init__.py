"""Amazon ECS: what a service runs, how it is led to another task definition, and why a task died."""

from promoter.ecs.service import EcsService

__all__ = ["EcsService"]
