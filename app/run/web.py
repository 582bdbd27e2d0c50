"""The web process of `make run`."""

from __future__ import annotations

import sys

from gunicorn.app import wsgiapp


def serve_pages() -> None:
    """Run gunicorn as its command does: `gunicorn --config python:app.run.gunicorn_conf wsgi:app`.

    The application is not loaded again if this process has it already.
    """
    sys.argv = ["gunicorn", "--config", "python:app.run.gunicorn_conf", "wsgi:app"]
    wsgiapp.run()
