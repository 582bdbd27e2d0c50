"""Gunicorn's settings file: how the web process listens and what it says when it is ready."""

from __future__ import annotations

import logging
from typing import Any

from app import logs
from app.config import Config
from app.domain.accounts import one_time_links
from app.models.base import db, use_database

_config = Config.from_env()
_log = logging.getLogger(__name__)

bind = f"{_config.bind}:{_config.port}"
worker_class = "gthread"
workers = 2
threads = 4
# Loaded once, before the fork; it opens no connection.
preload_app = True
timeout = 60
graceful_timeout = _config.stop_within_s
control_socket_disable = True
loglevel = "warning"
forwarded_allow_ips = "" if _config.proxy_hops == 0 else "*"


def on_starting(server: Any) -> None:
    """Write gunicorn's messages to the log of Aura; it calls this first, once."""
    logs.configure("web", as_json=_config.logs_json)
    server.log.error_log.handlers.clear()
    server.log.error_log.propagate = True


def when_ready(server: Any) -> None:
    """Say the address and whether there is an owner; gunicorn's arbiter calls this once."""
    use_database(_config.database_url)
    # Close it before gunicorn forks: a connection belongs to one process.
    with db.connection_context():
        link = one_time_links.setup_link(_config)
    if _config.logs_json:
        # The link gives access to this Aura, so it is not in a log that others may collect.
        if link:
            _log.info("There is no owner yet. Print the link for them: flask --app wsgi setup-link")
        _log.info("Aura is ready at %s", _config.origin)
        return
    print(f"\n  Aura is ready at {_config.origin}", flush=True)
    if link:
        print(f"  Set up the owner's account (valid once, for one hour):\n  {link}", flush=True)
    print("  Ctrl-C stops everything.\n", flush=True)
