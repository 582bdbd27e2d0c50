"""Gunicorn's settings file: how the web process listens and what it prints when ready."""

from __future__ import annotations

from typing import Any

from app.config import Config
from app.domain.accounts import one_time_links
from app.models.base import db, use_database
from app.run import supervisor

_config = Config.from_env()

bind = f"{_config.bind}:{_config.port}"
worker_class = "gthread"
workers = 2
threads = 4
# Loaded once, before the fork; it opens no connection.
preload_app = True
timeout = 60
graceful_timeout = 4
control_socket_disable = True
loglevel = "warning"
forwarded_allow_ips = "" if _config.proxy_hops == 0 else "*"


def when_ready(server: Any) -> None:
    """Print the address and the setup link; gunicorn's arbiter calls this once."""
    supervisor.end_with(_config.supervisor_pid)
    print(f"\n  Aura is ready at {_config.origin}", flush=True)
    use_database(_config.database_url)
    # Close it before gunicorn forks: a connection belongs to one process.
    with db.connection_context():
        link = one_time_links.setup_link(_config)
    if link:
        print(f"  Set up the owner's account (valid once, for one hour):\n  {link}", flush=True)
    print("  Ctrl-C stops everything.\n", flush=True)
