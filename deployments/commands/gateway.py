"""Take GitHub's webhooks: verified pushes go into the ledger, and Prefect is told of them.

Serves POST /github, GET /healthz and GET /metrics as plain HTTP: put a TLS proxy before it, and let it pass /github only.
Needs PROMOTER_WEBHOOK_SECRET, the ledger, and PREFECT_API_URL.
"""

import logging
import sys
from argparse import ArgumentParser

import uvicorn

from deployments.gateway.app import build
from promoter import config
from promoter.ledger import schema
from promoter.ledger.connection import connect
from promoter.settings import Settings


def arguments(parser: ArgumentParser) -> None:
    """Declare what the verb takes."""
    parser.add_argument("--host", default="127.0.0.1", help="the address it listens on (127.0.0.1)")
    parser.add_argument("--port", type=int, default=8090, metavar="N", help="the port it listens on (8090)")


def run(*, host: str, port: int) -> None:
    """Serve until a signal says so; without a secret or a ledger that fits it does not start."""
    settings = Settings()
    app = build(settings, config.load_all(settings.services))
    with connect(settings) as ledger:
        schema.check(ledger)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", stream=sys.stdout, level=logging.INFO)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    uvicorn.run(app, host=host, port=port, server_header=False, log_config=None)
