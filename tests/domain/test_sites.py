"""Add a site, find it in the list, and remove it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.config import Config
from app.domain.actor import Actor
from app.domain.connection import revocation
from app.domain.errors import Conflict, Forbidden, Invalid
from app.domain.sites import sites, urls
from app.http.errors import ErrorCode
from app.models.audit import AuditEntry
from app.models.fleet import fleet
from app.models.reports import Component, Report
from app.models.sites import (
    ACTIVE,
    DISCONNECTED_UNCONFIRMED,
    MAY_FORGET,
    NEW,
    PAIRING,
    REVOKED,
    REVOKED_UNREACHED,
    REVOKING,
    STATES,
    Client,
    Site,
)
from app.models.visibility import EVERYTHING
from tests.support.factories import make_site, read_report
from tests.support.fakes import Clock, FakeSite, RecordingQueue, at

pytestmark = pytest.mark.both_databases

NOW = at("2026-11-24 10:00")


def add(by: Actor, url: str = "https://bakery.example", **changes: str) -> Site:
    texts = {"name": "Bakery", "client_name": "", **changes}
    return sites.add_site(url=url, by=by, now=NOW, **texts)


# ---- adding ----


def test_added_site_waits_for_its_token_and_is_in_the_audit_log(ben: Actor) -> None:
    site = add(ben, client_name=" Miller & Sons ")
    assert (site.state, site.name, site.client.name) == (NEW, "Bakery", "Miller & Sons")
    assert (site.added_at, site.added_by_id) == (NOW, ben.id)
    assert AuditEntry.head().event == "site_added"


def test_sites_of_one_client_share_it(ana: Actor) -> None:
    first = add(ana, client_name="Miller")
    second = add(ana, "https://other.example", client_name="Miller")
    assert first.client == second.client
    assert Client.select().count() == 1


def test_a_site_without_a_name_is_listed_by_its_address(ana: Actor) -> None:
    assert add(ana, "https://www.bakery.example/", name=" ").name == "www.bakery.example"
    assert add(ana, "https://www.bakery.example/blog/", name="").name == "www.bakery.example/blog"


def test_a_viewer_may_not_add_a_site(cleo: Actor) -> None:
    with pytest.raises(Forbidden):
        add(cleo)
    assert Site.select().count() == 0


@pytest.mark.parametrize(
    ("typed", "url"),
    [
        ("https://bakery.example", "https://bakery.example"),
        ("bakery.example", "https://bakery.example"),
        ("  HTTPS://Bakery.Example/  ", "https://bakery.example"),
        ("http://bakery.example:80/", "http://bakery.example"),
        ("https://bakery.example:8443/Blog//", "https://bakery.example:8443/Blog"),
        ("https://bakery.example/wp-admin/", "https://bakery.example"),
        ("https://bakery.example/shop/wp-login.php", "https://bakery.example/shop"),
        ("https://bäckerei.example/brötchen", "https://xn--bckerei-5wa.example/br%C3%B6tchen"),
        ("https://xn--bckerei-5wa.example.", "https://xn--bckerei-5wa.example"),
        ("http://192.0.2.7:8080", "http://192.0.2.7:8080"),
        ("http://[2001:DB8::1]/x", "http://[2001:db8::1]/x"),
        ("https://bakery.example/a%20b", "https://bakery.example/a%20b"),
    ],
)
def test_an_address_has_one_spelling(typed: str, url: str) -> None:
    assert urls.normalize_url(typed) == url
    assert urls.normalize_url(url) == url


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "https://",
        "ftp://bakery.example",
        "javascript://alert(1)",
        "file:///etc/passwd",
        "https://user:secret@bakery.example",
        "https://user@bakery.example",
        "https://bakery.example/?page=1",
        "https://bakery.example/#top",
        "https://bakery.example?",
        "https://bak ery.example",
        "https://bakery.example\\@evil.example",
        "https://bakery.example/\x00",
        "https://bakery.example:0",
        "https://bakery.example:99999",
        "https://bakery.example:port",
        "https://bakery..example",
        "https://-bakery-.example/",
        "https://bakery.example/../x",
        "http://2130706433",
        "http://0x7f.1",
        "http://127.1",
        "http://①②⑦.①",
        "http://¹",
        "http://[::1",
        "http://[fe80::1%25eth0]",
        "http://[::ffff:zz]",
        "https://" + "a" * 64 + ".example",
        "https://bakery.example/" + "a" * 1900,
    ],
)
def test_an_unusable_address_is_refused_with_a_message(ana: Actor, typed: str) -> None:
    with pytest.raises(Invalid) as refusal:
        add(ana, typed)
    assert refusal.value.messages["url"].endswith(".")
    assert "secret" not in refusal.value.messages["url"]
    assert Site.select().count() == 0


def test_every_invalid_field_gets_its_own_message(ana: Actor) -> None:
    with pytest.raises(Invalid) as refusal:
        add(ana, "", name="x" * 121, client_name="y" * 121)
    assert set(refusal.value.messages) == {"url", "name", "client"}


@pytest.mark.parametrize(
    "again", ["https://bakery.example/", "bakery.example", "HTTPS://BAKERY.EXAMPLE:443"]
)
def test_one_address_is_one_site(ana: Actor, again: str) -> None:
    add(ana)
    with pytest.raises(Invalid) as refusal:
        add(ana, again, client_name="Somebody")
    assert "already" in refusal.value.messages["url"]
    assert (Site.select().count(), Client.select().count()) == (1, 0)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://bakery.example", "http://www.bakery.example/", True),
        ("http://127.0.0.1:8081", "http://127.0.0.1:8082", False),
        ("https://bakery.example:443", "http://bakery.example:80", True),
        ("https://bakery.example/blog", "https://bakery.example", False),
        ("https://bakery.example", "https://bakery.example.evil.example", False),
        ("https://bakery.example", "https://bakery.example:99999", False),
        ("https://xn--bckerei-5wa.example", "http://bäckerei.example/", True),
        ("https://bakery.example", "https://[", False),
        ("https://[", "https://[", False),
    ],
)
def test_a_home_is_host_port_and_path(one: str, other: str, same: bool) -> None:
    assert urls.same_home(one, other) is same


# ---- the list ----


@pytest.fixture
def three_sites(ana: Actor, jobs: RecordingQueue) -> dict[str, Site]:
    """Return Bakery (Miller, broken), Butcher (no client, new) and Zoo (Adams, two updates)."""
    bakery = make_site(ana, now=NOW, client="Miller")
    butcher = make_site(
        ana, now=NOW + timedelta(days=1), url="https://meat.example", name="butcher"
    )
    zoo = make_site(
        ana, now=NOW - timedelta(days=1), url="https://zoo.example", name="Zoo", client="Adams"
    )
    bakery.move(
        to=ACTIVE, when=(NEW,), consecutive_failures=3, error_code="dns", last_success_at=NOW
    )
    zoo.move(to=ACTIVE, when=(NEW,), update_count=2, last_success_at=NOW + timedelta(hours=1))
    return {"bakery": bakery, "butcher": butcher, "zoo": zoo}


@pytest.mark.parametrize(
    ("state", "names"),
    [("new", ["butcher"]), ("healthy", ["Zoo"]), ("unreachable", ["Bakery"]), ("revoked", [])],
)
def test_sites_are_filtered_by_their_state(
    three_sites: dict[str, Site], state: str, names: list[str]
) -> None:
    assert [site.name for site in fleet(EVERYTHING) if site.connection == state] == names
    assert Site.count_by_connection().get(state, 0) == len(names)


# ---- removing ----


@pytest.mark.parametrize("state", MAY_FORGET)
def test_a_removed_site_leaves_the_list_and_its_entries_stay(
    site: Site, ana: Actor, state: str
) -> None:
    site.move(to=state, when=(NEW,))
    sites.remove_site(site, by=ana, now=NOW)
    assert Site.listing(EVERYTHING) == []
    assert Site.known(site.id) is None
    assert [e.event for e in AuditEntry.newest(site_id=site.id)] == ["site_removed", "site_added"]
    assert add(ana, site.url).id != site.id


@pytest.mark.parametrize("state", [s for s in STATES if s not in MAY_FORGET])
def test_a_site_with_a_connection_or_a_waiting_token_is_not_removed(
    site: Site, ana: Actor, state: str
) -> None:
    site.move(to=state, when=(NEW,))
    with pytest.raises(Conflict):
        sites.remove_site(site, by=ana)
    assert Site.known(site.id) is not None
    assert {ACTIVE, PAIRING, REVOKING, DISCONNECTED_UNCONFIRMED} >= {state}


def test_a_viewer_may_not_remove_a_site(site: Site, cleo: Actor) -> None:
    with pytest.raises(Forbidden):
        sites.remove_site(site, by=cleo)


def test_a_site_is_removed_once(site: Site, ana: Actor) -> None:
    sites.remove_site(site, by=ana)
    with pytest.raises(Conflict):
        sites.remove_site(site, by=ana)


def test_the_reports_of_a_removed_site_are_deleted(
    paired: Site, fake: FakeSite, ana: Actor, config: Config
) -> None:
    read_report(paired, fake, config=config)
    paired.move(to=REVOKED, when=(ACTIVE,))
    sites.remove_site(paired, by=ana)
    assert Report.of(paired) is None
    assert Component.for_site(paired) == []
    assert paired.keys_sealed == {}


def test_a_removed_site_that_was_unreachable_is_still_revoked(
    paired: Site, fake: FakeSite, ana: Actor, config: Config, clock: Clock
) -> None:
    revocation.revoke_access(paired, by=ana, now=clock())
    fake.failing = [ErrorCode.dns]

    def disconnect() -> str:
        return revocation.deliver_revocation(
            paired.id, config=config, call=fake.call, call_bearer=fake.call_bearer, now=clock
        )

    assert disconnect() == REVOKED_UNREACHED
    sites.remove_site(paired, by=ana, now=clock())
    assert revocation.retry_due_revocations(clock.advance(minutes=5)) == [paired.id]
    assert disconnect() == "revoked_unproven"
    assert fake.paired is None
