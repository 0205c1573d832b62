"""GitHub's REST API on loopback, as far as a promotion is shown there: statuses, Deployments, releases, comments, an App's tokens."""

from deployments.sandbox.github.faults import Fault
from deployments.sandbox.github.server import start
from deployments.sandbox.github.state import Shown, State

__all__ = ["Fault", "Shown", "State", "start"]
