"""A site that went to https or to another `www.` is called there; no other redirect is followed."""

from __future__ import annotations

from typing import Any

import pytest

from app.config import Config
from app.domain.inventory import site_sync
from app.http.errors import ErrorCode
from app.http.site_client import CallError
from app.models.audit import AuditEntry
from app.models.reports import Sync
from app.models.sites import Site
from tests.support.fakes import FakeSite


def read(site: Site, fake: FakeSite, config: Config, location: str) -> Sync:
    """Sync a site whose server redirects calls of the known address to `location`."""

    def call(channel: Any, op: str, arguments: dict[str, Any], **more: Any) -> Any:
        if channel.endpoint == before:
            fake.calls.append((op, channel.keyid, channel.endpoint))
            raise CallError(ErrorCode.redirected, {"status": 301, "location": location})
        return fake.call(channel, op, arguments, **more)

    before = site.endpoint
    fake.calls.clear()
    sync = Sync.open_for(site) or Sync.ask(site, requested_by="Ana", now=fake.clock())
    site_sync.run_sync(sync.id, config=config, call=call, now=fake.clock)
    site.refresh()
    return Sync.get_by_id(sync.id)


def called(fake: FakeSite) -> list[str]:
    return [endpoint for _, _, endpoint in fake.calls]


@pytest.fixture
def alone(paired: Site, fake: FakeSite) -> Site:
    """Return a site paired over HTTP that named one address."""
    old = "http://bakery.example/wp-json/siteagent/v1/rpc"
    Site.update(endpoint=old, endpoints=[old]).where(Site.id == paired.id).execute()
    paired.refresh()
    return paired


@pytest.mark.parametrize("home", ["https://bakery.example", "https://www.bakery.example"])
def test_a_site_that_went_to_https_is_called_there_from_now_on(
    alone: Site, fake: FakeSite, config: Config, home: str
) -> None:
    fake.home = home
    there = f"{home}/wp-json/siteagent/v1/rpc"
    assert read(alone, fake, config, there).state == "done"
    assert alone.endpoint == there
    assert alone.connection == "healthy"
    events = [entry.event for entry in AuditEntry.newest(site_id=alone.id, limit=5)]
    assert "endpoint_changed" in events


@pytest.mark.parametrize(
    "location",
    [
        "",
        "/wp-login.php",
        "https://evil.example/wp-json/siteagent/v1/rpc",
        "https://bakery.example.evil.example/wp-json/siteagent/v1/rpc",
        "https://bakery.example@evil.example/wp-json/siteagent/v1/rpc",
        "https://ana@bakery.example/wp-json/siteagent/v1/rpc",
        "https://bakery.example:8443/wp-json/siteagent/v1/rpc",
        "https://bakery.example/",
        "https://bakery.example/wp-json/siteagent/v1/rpc?x=1",
        "https://www.www.bakery.example/wp-json/siteagent/v1/rpc",
        "ftp://bakery.example/wp-json/siteagent/v1/rpc",
        "https://[bakery.example/wp-json/siteagent/v1/rpc",
        "https://bakery.example:x/wp-json/siteagent/v1/rpc",
    ],
)
def test_a_redirect_to_another_address_is_not_followed(
    alone: Site, fake: FakeSite, config: Config, location: str
) -> None:
    sync = read(alone, fake, config, location)
    assert (sync.state, sync.error_code) == ("failed", ErrorCode.redirected)
    assert called(fake) == [alone.endpoint]


def test_a_redirect_back_to_http_is_not_followed(
    alone: Site, fake: FakeSite, config: Config
) -> None:
    secure = alone.endpoint.replace("http:", "https:")
    Site.update(endpoint=secure, endpoints=[secure]).where(Site.id == alone.id).execute()
    alone.refresh()
    sync = read(alone, fake, config, secure.replace("https:", "http:"))
    assert (sync.state, sync.error_code) == ("failed", ErrorCode.redirected)
    assert called(fake) == [secure]
