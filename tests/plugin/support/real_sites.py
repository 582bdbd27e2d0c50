"""Connect real WordPress sites to Aura's own code, with a clock that tests control."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from app.http import site_client
from app.http.site_client import Channel, ProbeResponse, Reply
from tests.plugin.support.changing import php_text
from tests.plugin.support.real_wordpress import RealWordPress
from tests.support.fakes import Clock
from tests.wordpress.repository import repository_files

_ACCEPT = "$p = siteagent()->pairing(); return $p->accept($p->read_token(%s), true, 'user:1');"
_DOWNLOADS = "srv/wordpress.org/downloads.wordpress.org"


class RealSite:
    """A real WordPress with the interface of FakeSite.

    The site and the signatures of requests use the clock of this machine. The tests' clock is hours
    behind it, so that a test can let an hour pass for Aura.
    """

    def __init__(self, wp: RealWordPress, clock: Clock) -> None:
        self.wp = wp
        self.home = wp.url
        self.clock = clock

    def paste(self, text: str) -> None:
        """Accept a token in wp-admin."""
        self.wp.evaluate(_ACCEPT % php_text(text))

    def call(
        self,
        channel: Channel,
        op: str,
        arguments: dict[str, Any],
        *,
        noted_at: datetime | None = None,
        **more: Any,
    ) -> Reply:
        """Call the site as a worker does."""
        return site_client.call(channel, op, arguments, **more)

    def look(self, url: str, **more: Any) -> ProbeResponse:
        """Request a page as a visitor."""
        return site_client.probe(url, **more)


def published(*names: str) -> Mapping[str, bytes]:
    """Return packages of the test sites' WordPress.org by their path."""
    files = dict(repository_files())
    return {f"/plugin/{name}.zip": files[f"{_DOWNLOADS}/plugin/{name}.zip"] for name in names}
