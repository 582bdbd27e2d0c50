"""A user limited to some clients sees, counts and reaches nothing of other clients."""

from __future__ import annotations

import io
import re
from datetime import timedelta
from uuid import UUID

import pytest

from app.domain import alerts
from app.domain.accounts import roles, users
from app.domain.accounts.roles import Access
from app.domain.actor import SYSTEM
from app.domain.audit import export, verification
from app.domain.changes import (
    auto_update_rules,
    freezes,
    maintenance_windows,
    site_assignment,
    stop_switch,
)
from app.domain.changes.change_times import Window
from app.domain.changes.freezes import FreezeTerms
from app.domain.reporting import data
from app.domain.reporting.client_report import Period
from app.domain.sites import clients, holds, notes
from app.domain.vulnerabilities import source, upkeep
from app.models.accounts import User
from app.models.alerts import Alert
from app.models.base import transaction, utcnow
from app.models.changes import Change
from app.models.clients import Client
from app.models.exports import AuditLogExport
from app.models.freezes import Freeze
from app.models.sites import Site
from app.models.visibility import EVERYTHING
from tests.support.browsers import signed_in
from tests.support.client_reports import make_due, prepare
from tests.support.crawl import crawl
from tests.support.factories import (
    AKISMET,
    check,
    make_site,
    make_user,
    pair,
    plugin,
    propose,
    read_report,
    report,
)
from tests.support.fakes import FakeSite
from tests.support.file_checks import differing
from tests.support.rules import terms
from tests.support.vulnerability_feeds import feed, record, software
from tests.support.webhooks import add_endpoint

pytestmark = pytest.mark.both_databases

# This word is in every text of the other client and in no other text.
MARKER = "zebracorn"
HOST = f"https://{MARKER}.example"
# Parts of a page that differ between responses and do not depend on data.
_PASSING = re.compile(
    r'<time [^>]*>.*?</time>|name="csrf_token" value="[^"]+"|nonce="[^"]+"|/static/\S+?"'
)


def import_feed(config, vulnerability):
    """Import a feed with one vulnerability."""
    file = io.BytesIO(feed(vulnerability))
    source.accept_file_from_cli(file, by=SYSTEM, config=config, now=utcnow())
    assert upkeep.update(config, now=utcnow) == "imported"


@pytest.fixture
def her_site(today, ana, fake, config):
    """Return the site that Lea looks after; Lea sees only its client."""
    import_feed(config, record(2, software("what-no-site-has")))
    Site.update(client=Client.named("Bakery Ltd")).where(Site.id == today.id).execute()
    return Site.get_by_id(today.id)


@pytest.fixture
def lea(ben, her_site):
    User.update(name="Lea", limited_to=[her_site.client_id]).where(User.id == ben.id).execute()
    return User.get_by_id(ben.id)


@pytest.fixture
def as_lea(app, ben, lea):
    return signed_in(app, ben)


class Others:
    """Create every kind of data of another client, and of a site without a client."""

    def __init__(self, ana, config, fake):
        self.ana, self.config, self.clock = ana, config, fake.clock
        self.fresh = {"confirmed_at": utcnow(), "now": utcnow()}
        self.client = Client.named(f"{MARKER} Ltd")
        self.site, self.fake_site = self._site(HOST, f"{MARKER} shop", self.client.name)
        self.orphan, _ = self._site(f"https://{MARKER}-two.example", f"{MARKER} alone", "")
        self.change = check(self._propose(), self.fake_site, config)
        self._people_and_evidence()
        self._write_about()
        self._rule_and_times()
        self._reports_and_vulnerabilities()

    def _site(self, url, name, client):
        site = make_site(self.ana, now=self.clock(), url=url, name=name, client=client)
        own = plugin(f"{MARKER}/{MARKER}.php", name=f"{MARKER} booking")
        content = report()
        content["plugins"] = [*content["plugins"], own]
        content["updates"]["plugins"].append(
            {**content["updates"]["plugins"][0], "id": own["id"], "version": "9.9"}
        )
        content["wordpress"] |= {"home": url, "site_url": url, "version": "5.9.9"}
        content["php"]["version"] = "7.4.33"
        changed = differing(own["id"], own["version"], unknown=[f"{MARKER}.php"], digit="a")
        content["integrity"] = {"components": [changed]}
        fake_site = FakeSite(url, self.clock, content, files_checked_at=int(not client))
        pair(site, fake_site, by=self.ana, config=self.config)
        read_report(site, fake_site, config=self.config)
        return Site.get_by_id(site.id), fake_site

    def _propose(self):
        return propose(self.site, self.ana, self.clock(), reason=f"{MARKER} reason")

    def _write_about(self):
        by = {"by": self.ana, "now": self.clock()}
        site_assignment.set_tags(self.site, f"{MARKER} tag", by=self.ana, **self.fresh)
        notes.set_site_notes(self.site, f"{MARKER} note", **by)
        notes.set_client_notes(self.client, f"{MARKER} note", **by)
        clients.set_contact(self.client, clients.Contact(f"{MARKER} Jones"), **by)
        of_orphan = {"until": None, "reason": f"{MARKER} waits", **by}
        holds.hold_updates([self.orphan], "plugin", AKISMET, **of_orphan)

    def _rule_and_times(self):
        day = utcnow().date()
        rule = terms(utcnow, name=f"{MARKER} rule", client=self.client, reason=f"{MARKER} said so")
        self.rule = auto_update_rules.create_rule(rule, by=self.ana, **self.fresh)
        tagged = terms(utcnow, name=f"{MARKER} tagged", tags=(f"{MARKER} tag",))
        auto_update_rules.create_rule(tagged, by=self.ana, **self.fresh)
        for name, of in (("client", {"client": self.client}), ("site", {"site": self.orphan})):
            days = FreezeTerms(f"{MARKER} {name}", day, day + timedelta(days=2), **of)
            freezes.add_freeze(days, by=self.ana, **self.fresh)
        window = Window((0, 1), 2, 5, "Europe/Berlin")
        for owner in (self.client, self.site):
            maintenance_windows.set_window(owner, window, by=self.ana, **self.fresh)

    def _reports_and_vulnerabilities(self):
        add_endpoint(self.ana, self.config, utcnow(), name=f"{MARKER} chat")
        make_due(self.client, self.ana, utcnow(), sender_name=f"{MARKER} agency")
        assert [row.client_id for row in prepare(self.config, utcnow())] == [self.client.id]
        booking = software(MARKER, name=f"{MARKER} booking")
        import_feed(self.config, record(1, booking, title=f"{MARKER} hole"))

    def _people_and_evidence(self):
        make_user(f"{MARKER} Zoe", "client", client_id=self.client.id, email=f"z@{MARKER}.example")
        failed = {"state": "failed", "is_incident": True, "ended_at": utcnow()}
        fake_site = FakeSite(self.orphan.url, self.clock, report())
        broken = check(propose(self.orphan, self.ana, self.clock()), fake_site, self.config)
        Change.update(**failed).where(Change.id == broken.id).execute()
        with transaction():
            evidence = {"site": {"why": MARKER}}
            alerts.raise_alert(self.site, alerts.LOG_BROKEN, "1", evidence, SYSTEM, utcnow())
        period = Period.of_days(utcnow().date(), utcnow().date())
        about = {"form": "pdf", "by": self.ana, "config": self.config, "now": utcnow()}
        data.issue_report(self.client, period, **about)
        for covered in (export.make_scope(client=self.client), export.make_scope()):
            requested = export.request_export("jsonl", covered, by=self.ana, **self.fresh)
            export.run_export(requested.id, config=self.config)
        Site.update(error_code="timeout", error_at=utcnow(), consecutive_failures=9).where(
            Site.id == self.site.id
        ).execute()


@pytest.fixture
def others(her_site, ana, config, fake):
    return Others(ana, config, fake)


def fetched(person, path):
    answer = person.get(path, follow_redirects=True)
    assert answer.status_code in (200, 403, 404, 422), path
    return answer.data.decode("utf-8", "replace")


def plain(text):
    return _PASSING.sub("", text)


def addresses(app):
    """Yield every address without a number in it, except those for machines."""
    for rule in app.url_map.iter_rules():
        is_page = not rule.endpoint.startswith(("static", "probes."))
        if "GET" in rule.methods and not rule.arguments and is_page:
            yield rule.rule


SEARCHES = (
    f"/search?q={MARKER[:5]}",
    f"/sites?q={MARKER[:5]}",
    f"/updates?q={MARKER[:5]}",
    f"/activity?words={MARKER}&subject=everything",
    "/activity?subject=everything",
    "/activity?subject=people",
    "/updates?by=site",
    "/updates/waiting",
    "/updates/running",
    "/updates/done",
    "/sites/export.csv",
    "/sites?state=attention",
    "/?tasks=all",
)


def pages_with_marker(app, person):
    """Return the addresses of pages that show the marker, except as the typed text."""
    pages = dict(crawl(lambda address: fetched(person, address)))
    pages |= {address: fetched(person, address) for address in (*addresses(app), *SEARCHES)}
    assert len(pages) > 60
    typed = re.compile(rf'q={MARKER[:5]}|words={MARKER}|value="{MARKER}"', re.IGNORECASE)
    return {address for address, text in pages.items() if MARKER in typed.sub("", text).lower()}


def test_no_page_shows_a_trace_of_another_client(app, as_lea, as_ana, her_site, others):
    assert pages_with_marker(app, as_lea) == set()
    everywhere = pages_with_marker(app, as_ana)
    assert len(everywhere) > 30, "the owner finds the marker on many pages"
    of_each_kind = {
        "/vulnerabilities",
        "/changed-files/export.csv",
        "/settings/webhooks",
        f"/clients/{others.client.id}/reports",
    }
    assert of_each_kind <= everywhere


def test_every_page_is_the_same_as_if_the_other_client_did_not_exist(
    app, as_lea, ana, her_site, config, fake
):
    """Counts, charts, filters and lists do not depend on data of other clients."""
    paths = [*addresses(app), *SEARCHES, f"/clients/{her_site.client_id}", f"/sites/{her_site.id}"]
    paths = [path for path in paths if not path.startswith("/account")]
    before = {path: plain(fetched(as_lea, path)) for path in paths}
    Others(ana, config, fake)
    for path in paths:
        assert plain(fetched(as_lea, path)) == before[path], path


def test_a_limited_user_sees_all_data_of_her_clients(as_lea, her_site, others):
    assert "Bakery" in as_lea.get("/sites").text
    assert as_lea.get(f"/clients/{her_site.client_id}").status_code == 200
    assert "site_added" in as_lea.get("/activity?subject=everything&event=site_added").text


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_everything_of_another_client_is_not_found(app, as_lea, others, method):
    newest = AuditLogExport.newest(1, EVERYTHING)[0]
    values = {
        "site_id": [others.site.id, others.orphan.id],
        "client_id": [others.client.id],
        "change_id": [others.change.id],
        "batch": [UUID(others.change.batch)],
        "alert_id": [Alert.get().id],
        "rule_id": [others.rule.id],
        "freeze_id": [freeze.id for freeze in Freeze.select()],
        "export_id": [newest.id],
    }
    tried = 0
    for rule in app.url_map.iter_rules():
        if method not in rule.methods or len(rule.arguments) != 1:
            continue
        (name,) = rule.arguments
        for value in values.get(name, ()):
            path = app.url_map.bind("localhost").build(rule.endpoint, {name: value}, method)
            answer = as_lea.get(path) if method == "GET" else as_lea.post(path)
            assert answer.status_code in (403, 404), path
            assert MARKER not in answer.text.lower(), path
            tried += 1
    assert tried >= (20 if method == "GET" else 35)


def test_forms_that_name_another_client_or_all_of_them_are_refused(as_lea, lea, others):
    User.update(role="manager").where(User.id == lea.id).execute()
    day = utcnow().date().isoformat()
    new = {"name": "New", "url": "https://new.example"}
    freeze = {"name": "Stop", "first_day": day, "last_day": day}
    changes = (Site.select().count(), Freeze.select().count(), Client.select().count())
    for path, form, status in (
        ("/settings/windows/freezes", {**freeze, "covers": f"client:{others.client.id}"}, 404),
        ("/settings/windows/freezes", {**freeze, "covers": f"site:{others.site.id}"}, 404),
        ("/settings/windows/freezes", freeze, 422),
        ("/settings/windows/stop", {"reason": "all"}, 403),
        (
            "/sites/new",
            {"name": "New", "url": "https://new.example", "client": others.client.name},
            422,
        ),
        ("/sites/new", {**new, "client": ""}, 422),
        ("/sites/new", {**new, "client": "Unheard of"}, 422),
        ("/activity/exports", {"form": "csv", "client": others.client.id}, 404),
        ("/activity/exports", {"form": "csv", "site": others.orphan.id}, 404),
        ("/activity/exports", {"form": "csv"}, 422),
        ("/activity/verify", {}, 403),
    ):
        answer = as_lea.post(path, data=form)
        assert answer.status_code == status, (path, form)
    assert changes == (Site.select().count(), Freeze.select().count(), Client.select().count())


def test_a_freeze_without_a_client_or_site_is_refused_and_keeps_the_form(as_lea, her_site):
    day = utcnow().date().isoformat()
    form = {"name": "Black Friday", "first_day": day, "last_day": day, "covers": ""}
    answer = as_lea.post("/settings/windows/freezes", data=form)
    assert (answer.status_code, 'id="f-covers-error"' in answer.text) == (422, True)
    assert 'value="Black Friday"' in answer.text
    form["covers"] = f"client:{her_site.client_id}"
    assert as_lea.post("/settings/windows/freezes", data=form).status_code == 303


def test_a_limited_user_adds_sites_only_for_her_clients(as_lea, as_ana, her_site, others):
    for path in ("/sites/new", f"/sites/{her_site.id}/edit"):
        assert "Choose one of your clients." in as_lea.get(path).text
        assert "Choose a client or enter a new one." in as_ana.get(path).text
    text = "name,address,client\nA,a.example,bakery ltd\nB,b.example,Else Ltd\nC,c.example,\n"
    text += f"D,d.example,{others.client.name}\n"
    page = as_lea.post("/sites/import", data={"csv": text}).text
    assert "1 of 4 sites can be imported" in page
    assert page.count("Choose one of the clients that you see.") == 3
    answer = as_lea.post("/sites/import", data={"csv": text, "confirmed": "1"})
    assert answer.status_code == 303
    assert Site.get(Site.name == "A").client_id == her_site.client_id
    assert not Site.select().where(Site.name.in_(["B", "C", "D"])).exists()


def test_only_a_user_who_sees_everything_resolves_a_package_alert(as_lea, as_ana, her_site):
    with transaction():
        about = {"aura": {"kind": "plugin", "id": AKISMET, "version": "5.3.1"}}
        alerts.raise_alert(her_site, alerts.PACKAGE_DIFFERS, "1", about, SYSTEM, utcnow())
    path = f"/alerts/{Alert.get().id}"
    assert f'action="{path}/close"' in as_ana.get(path).text
    text = as_lea.get(path).text
    assert f'action="{path}/close"' not in text
    assert "who sees all clients resolves it" in text


def test_a_rule_of_a_limited_manager_covers_only_her_clients(as_lea, lea, her_site, others):
    User.update(role="manager").where(User.id == lea.id).execute()
    by = {"by": actor_of(lea), **others.fresh}
    own_client = Client.get_by_id(her_site.client_id)
    for reach in ({}, {"client": others.client}, {"site_ids": (her_site.id, others.site.id)}):
        with pytest.raises(roles.Invalid):
            auto_update_rules.create_rule(terms(utcnow, **reach), **by)
    for reach in ({"client": own_client}, {"site_ids": (her_site.id,)}):
        assert auto_update_rules.create_rule(terms(utcnow, **reach), **by)
    everywhere = auto_update_rules.create_rule(terms(utcnow), by=others.ana, **others.fresh)
    assert as_lea.post(f"/auto-update-rules/{everywhere.id}/end").status_code == 403
    everywhere.refresh()
    assert everywhere.ended_at is None


def actor_of(user):
    return roles.Actor.of(User.get_by_id(user.id), "192.0.2.2")


def test_a_limited_user_ignores_updates_only_on_her_sites(as_lea, her_site, others):
    form = {"everything": "1", "scope": "everywhere", "hold_reason": "waits"}
    assert as_lea.post("/updates/ignore", data=form).status_code == 303
    held = {hold.site_id for hold in holds.UpdateHold.select()}
    assert held == {her_site.id, others.orphan.id}, "the orphan had a hold before"


def test_only_a_user_who_sees_everything_stops_all_updates(as_lea, as_ana, others):
    assert 'action="/settings/windows/stop"' not in as_lea.get("/settings/windows").text
    assert 'action="/settings/windows/stop"' in as_ana.get("/settings/windows").text
    Change.update(state="approved").where(Change.id == others.change.id).execute()
    stop_switch.stop_changes("A bad release", by=others.ana, **others.fresh)
    assert "A bad release" in as_lea.get("/").text
    assert "No approved update waits." in as_lea.get("/settings/windows").text
    assert "1 approved update waits." in as_ana.get("/settings/windows").text


def test_only_a_user_who_sees_everything_reads_a_verification(as_lea, as_ana, others):
    verification.request_verification(by=others.ana, now=utcnow())
    for path in ("/activity/verification", "/activity/progress", "/settings/system"):
        assert as_lea.get(path).status_code == 403
        assert as_ana.get(path).status_code == 200
    assert "/settings/system" not in as_lea.get("/settings").text
    assert "/activity/verification" not in as_lea.get("/activity").text


# ---- who may limit users ----


def test_a_new_limit_applies_to_the_next_click(as_ana, as_ben, ben, her_site):
    other = make_site(roles.Actor.of(User.get(User.name == "Ana")), now=utcnow(), url=HOST)
    assert as_ben.get(f"/sites/{other.id}").status_code == 200
    form = {"role": "operator", "sees": "some", "clients": [her_site.client_id]}
    assert as_ana.post(f"/team/{ben.id}/role", data=form).status_code == 303
    assert as_ben.get(f"/sites/{other.id}").status_code == 404, "without a new sign-in"
    assert as_ben.get(f"/sites/{her_site.id}").status_code == 200
    assert "let <strong>Ben</strong> see only Bakery Ltd" in as_ana.get("/activity").text
    assert "Sees Bakery Ltd" in as_ana.get("/team").text
    assert as_ana.post(f"/team/{ben.id}/role", data={**form, "sees": "all"}).status_code == 303
    assert as_ben.get(f"/sites/{other.id}").status_code == 200
    assert "let <strong>Ben</strong> see all clients" in as_ana.get("/activity").text


def test_a_person_is_invited_for_some_clients(as_ana, her_site):
    form = {"name": "Eva", "email": "eva@agency.example", "role": "viewer", "sees": "some"}
    answer = as_ana.post("/team", data=form)
    assert (answer.status_code, 'id="f-clients-error"' in answer.text) == (422, True)
    assert as_ana.post("/team", data={**form, "clients": ["4711"]}).status_code == 422
    assert as_ana.post("/team", data={**form, "clients": [her_site.client_id]}).status_code == 303
    assert User.get(User.name == "Eva").limited_to == [her_site.client_id]


def test_an_owner_always_sees_everything(as_ana, her_site, cleo):
    form = {"role": "owner", "sees": "some", "clients": [her_site.client_id]}
    assert as_ana.post(f"/team/{cleo.id}/role", data=form).status_code == 303
    assert User.get_by_id(cleo.id).limited_to is None


def test_a_limited_manager_grants_no_more_than_she_sees(as_lea, lea, her_site, others, cleo):
    User.update(role="manager").where(User.id == lea.id).execute()
    new = {"name": "Eva", "email": "eva@agency.example", "role": "viewer"}
    assert as_lea.post("/team", data=new).status_code == 403
    form = {**new, "sees": "some", "clients": [others.client.id]}
    assert as_lea.post("/team", data=form).status_code == 422
    client_user = {**new, "role": "client", "client": others.client.id}
    assert as_lea.post("/team", data=client_user).status_code == 403
    assert as_lea.post("/team", data={**form, "clients": [her_site.client_id]}).status_code == 303
    assert as_lea.post(f"/team/{cleo.id}/disable").status_code == 403, "Cleo sees everything"
    eva = User.get(User.name == "Eva")
    assert as_lea.post(f"/team/{eva.id}/role", data={**new, "sees": "all"}).status_code == 403
    zoe = User.get(User.client_id == others.client.id)
    assert as_lea.get(f"/team/{zoe.id}/role").status_code in (403, 404)
    assert as_lea.post(f"/team/{zoe.id}/disable").status_code in (403, 404)
    wrong = as_lea.post(f"/team/{zoe.id}/role", data={"role": "king"})
    assert (wrong.status_code, MARKER in wrong.text.lower()) == (403, False)


def test_a_limited_user_sees_the_client_that_hers_was_merged_into(ana, lea, her_site):
    into = Client.named("Bread & Co")
    own_client = Client.get_by_id(her_site.client_id)
    site_assignment.merge_clients(own_client, into, by=ana, confirmed_at=utcnow(), now=utcnow())
    assert User.get_by_id(lea.id).limited_to == [into.id]


def test_a_client_user_can_become_a_limited_viewer(ana, dora):
    user = User.get_by_id(dora.id)
    access = Access("viewer", limited_to=[dora.client_id])
    roles.change_access(user, access, by=ana, confirmed_at=utcnow(), now=utcnow())
    assert (user.role, user.client_id, user.limited_to) == ("viewer", None, [dora.client_id])
    users.disable_user(user, by=ana, now=utcnow())
