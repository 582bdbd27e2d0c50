"""Call a hostile site, and read the reply or error."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest

from app.http.site_client import CallError, Reply, call
from app.protocol import b64u
from tests.support.hostile.server import Behaviour, HostileServer
from tests.support.hostile.site import channel

LOOPBACK = (ip_network("127.0.0.0/8"),)
SECRET = b64u(b"a secret argument, 32 bytes long")
HTML = {"Content-Type": "text/html; charset=UTF-8", "Server": "nginx"}
JSON = {"Content-Type": "application/json"}
CAPTCHA = b"<!DOCTYPE html><html><head><title>Are you human?</title></head><body>\x07</body></html>"


def ask(server: HostileServer, op: str = "ping", **options: Any) -> Reply:
    """Call the site behind `server` as Ana."""
    arguments = options.pop("arguments", {})
    return call(channel(server.url), op, arguments, by="Ana", allow_nets=LOOPBACK, **options)


def refused(behaviour: Behaviour, op: str = "ping", **options: Any) -> CallError:
    with HostileServer(behaviour) as server:
        with pytest.raises(CallError) as caught:
            ask(server, op, **options)
        assert len(server.received) == 1
    return caught.value
