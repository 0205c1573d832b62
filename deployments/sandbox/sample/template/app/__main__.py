"""Starts the server: `python -m app`."""

import uvicorn

from app import settings
from app.main import app


def main() -> None:
    host, port = settings.address()
    uvicorn.run(app, host=host, port=port, timeout_graceful_shutdown=5)


if __name__ == "__main__":
    main()
