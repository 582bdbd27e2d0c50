"""A site names its endpoints; signed requests and its server's password go only to its server."""

from __future__ import annotations

from typing import Any

import pytest

from app.config import Config
from app.domain.actor import Actor
from app.domain.connection import calls, rotation
from app.domain.sites import sites
from app.http.errors import ErrorCode
from app.models.audit import AuditEntry
from app.models.sites import MOVED, Site
from tests.support.factories import make_site, pair, read_report, report
from tests.support.fakes import Clock, FakeSite

RPC = "/wp-json/siteagent/v1/rpc"
ELSEWHERE = [
    f"https://evil.example{RPC}",
    f"http://bakery.example{RPC}",
    f"https://bakery.example:8443{RPC}",
    f"https://bakery.example.evil.example{RPC}",
    f"https://bakery.example@evil.example{RPC}",
    f"https://user:word@bakery.example{RPC}",
    f"ftp://bakery.example{RPC}",
    "//bakery.example",
    "http://[",
]


class Naming(FakeSite):
    """A site that also names endpoints on other servers."""

    @property
    def endpoints(self) -> list[str]:
        return [*FakeSite.endpoints.fget(self)[:1], *ELSEWHERE[:5]]


@pytest.mark.parametrize("named", ELSEWHERE)
def test_another_server_is_refused(named: str) -> None:
    assert not calls.is_same_server(f"https://bakery.example{RPC}", named)


@pytest.mark.parametrize(
    ("stored", "named"),
    [
        (f"https://bakery.example{RPC}", "https://bakery.example/?rest_route=/siteagent/v1/rpc"),
        (f"https://bakery.example{RPC}", f"https://www.bakery.example:443{RPC}"),
        (f"http://bakery.example{RPC}", f"https://bakery.example{RPC}"),
        (f"http://bakery.example:80{RPC}", f"http://bakery.example/shop{RPC}"),
    ],
)
def test_other_paths_and_spellings_of_the_site_are_accepted(stored: str, named: str) -> None:
    assert calls.is_same_server(stored, named)


def test_endpoints_on_another_server_are_not_stored_at_pairing(
    ana: Actor, clock: Clock, config: Config, jobs: object
) -> None:
    site = make_site(ana, now=clock())
    pair(site, Naming(home=site.url, clock=clock, report=report()), by=ana, config=config)
    assert site.endpoints == [f"{site.url}{RPC}"]


def test_endpoints_on_another_server_are_never_called(
    paired: Site, fake: FakeSite, config: Config
) -> None:
    Site.update(endpoints=[paired.endpoint, *ELSEWHERE]).where(Site.id == paired.id).execute()
    paired.refresh()
    fake.calls.clear()
    fake.closed_endpoints.add(paired.endpoint)
    assert read_report(paired, fake, config=config).error_code == ErrorCode.not_found
    assert {endpoint for _, _, endpoint in fake.calls} <= {paired.endpoint}


def test_a_move_to_another_server_removes_the_password(
    paired: Site, fake: FakeSite, ana: Actor, config: Config, clock: Clock
) -> None:
    login = {"name": "staging", "password": "let me in", "by": ana, "config": config}
    sites.set_server_login(paired, **login, now=clock())
    there = "https://new.example"
    evidence = {"now": there, "endpoints": []}
    Site.update(quarantine=MOVED, quarantine_evidence=evidence).execute()
    paired.refresh()
    fake.says_home = there
    requested = rotation.follow_move(paired, by=ana, config=config, now=clock())
    sent: dict[str, str] = {}

    def call(channel: Any, *args: Any, **more: Any) -> Any:
        sent[channel.endpoint] = channel.server_login
        return fake.call(channel, *args, **more)

    assert rotation.run_rotation(requested.id, config=config, call=call, now=clock) == "done"
    assert sent
    assert set(sent.values()) == {""}
    found = Site.get_by_id(paired.id)
    assert (found.url, found.server_login_sealed) == (there, None)
    events = [entry.event for entry in AuditEntry.newest(site_id=paired.id, limit=6)]
    assert "server_login_changed" in events


def test_new_keys_at_the_known_address_keep_the_password(
    paired: Site, fake: FakeSite, ana: Actor, config: Config, clock: Clock
) -> None:
    login = {"name": "staging", "password": "let me in", "by": ana, "config": config}
    sites.set_server_login(paired, **login, now=clock())
    requested = rotation.request_rotation(paired, by=ana, config=config, now=clock())
    assert rotation.run_rotation(requested.id, config=config, call=fake.call, now=clock) == "done"
    found = Site.get_by_id(paired.id)
    assert calls.server_login(found, config) == "staging:let me in"
