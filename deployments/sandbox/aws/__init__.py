"""The sandbox's AWS: moto's server on loopback, with an ECS of our own that really runs its tasks."""
