"""One account for all tests of the templates, its AWS in a process of its own."""

from collections.abc import Iterator

import pytest

from deployments.sandbox.aws import client
from tests.deployments.aws.account import Account


@pytest.fixture(scope="session")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    """Return the account with its environments and roles."""
    running = client.start(tmp_path_factory.mktemp("aws"), time_scale=0.02)
    made = Account(running.endpoint_url)
    made.build()
    yield made
    running.stop()
