"""The pages about e-mail with messages in every state, and the messages, in a browser."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext
from werkzeug.serving import make_server

from app import queue
from app.config import Config
from app.domain.accounts import password_resets, security_mail, users
from app.domain.accounts.login_throttle import ClientInfo
from app.domain.accounts.roles import Access
from app.domain.actor import Actor
from app.domain.mail import outbox
from app.domain.notifications import delivery, preferences, watch
from app.domain.notifications.preferences import Preferences
from app.domain.reporting import delivery as report_delivery
from app.domain.reporting import sending
from app.factory import create_app
from app.models.accounts import User
from app.models.base import db, use_database, utcnow
from app.models.client_reports import ReportDelivery
from app.models.clients import Client
from app.models.email import OutgoingEmail
from app.models.sites import Site
from app.report_pdf import render_report
from app.smtp import SendingFailed
from tests.support.client_reports import make_due, prepare
from tests.support.config import make_config
from tests.support.emails import break_site, deliver_all, turn_email_on
from tests.support.factories import PASSWORD, make_site, make_user
from tests.support.fakes import Clock, RecordingQueue
from tests.support.page_problems import problems_of
from tests.support.smtp_server import Received, running_smtp

pytestmark = pytest.mark.nightly

_PAGES = (
    "/settings/email",
    "/settings/email/messages",
    "/account/notifications",
    "/account",
    "/team",
    "/settings/privacy",
    "/clients/1/reports",
    "/clients/1/reports/schedule",
    "/clients/1/reports/1",
    "/clients/2/reports/2",
)


@pytest.fixture(scope="module")
def served(
    tmp_path_factory: pytest.TempPathFactory, migrated_file: bytes
) -> Iterator[tuple[Config, list[Received]]]:
    """An Aura whose outbox has a message of each kind and in each state."""
    config = make_config(tmp_path_factory.mktemp("emails"))
    (config.var_dir / "aura.db").write_bytes(migrated_file)
    app = create_app(config)
    queue.use(RecordingQueue())
    server = make_server("127.0.0.1", 0, app, threaded=True)
    config = replace(config, origin=f"http://127.0.0.1:{server.server_port}")
    app.config["AURA"] = config
    use_database(config.database_url)
    with db.connection_context():
        received = fill_outbox(config)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield config, received
    server.shutdown()
    thread.join(10)


def fill_outbox(config: Config) -> list[Received]:
    ana = Actor.of(make_user("Ana", "owner"), "192.0.2.1")
    clock = Clock(utcnow())
    site = make_site(ana, now=clock(), name="A site with <b>quite</b> a long name & no end of it")
    with running_smtp() as relay:
        turn_email_on(ana, config, clock(), port=relay.port)
        chosen = Preferences(critical_now=True, digest="daily")
        preferences.change_preferences(chosen, by=ana, now=clock())
        break_site(site, clock())
        for _ in range(4):
            clock.advance(minutes=1)
            watch.notify_due(clock())
        clock.advance(days=1)
        watch.notify_due(clock())
        person = {"access": Access("viewer"), "by": ana, "config": config, "now": clock()}
        users.invite_user(name="Eve", email="eve@agency.example", **person)
        password_resets.request_reset(
            email="ana@agency.example", browser=ClientInfo("192.0.2.9"), config=config, now=clock()
        )
        outbox.request_test(by=ana, now=clock())
        user, phone = User.get_by_id(ana.id), "Mozilla/5.0 (Android 16) Firefox/150.0"
        browser = ClientInfo("2001:db8::a1b2:c3d4", phone)
        security_mail.queue_new_device(user, browser, now=clock())
        assert set(deliver_all(config, clock)) == {"sent"}
        for is_final, in_doubt in ((True, False), (True, True), (False, True), (False, False)):
            leave_failed(ana, config, clock, is_final=is_final, may_have_arrived=in_doubt)
        outbox.request_test(by=ana, now=clock())
        send_client_reports(site, ana, config, clock)
        return relay.received


def send_client_reports(site: Site, by: Actor, config: Config, clock: Clock) -> None:
    """A German report that was sent, and an English one that waits."""
    Site.update(client=Client.named("Sent")).where(Site.id == site.id).execute()
    make_due(Client.named("Sent"), by, clock(), language="de")
    make_due(Client.named("Waiting"), by, clock())
    report = prepare(config, clock())[0]
    seen = sending.seen_digest(report)
    about = {"by": by, "confirmed_at": clock(), "config": config, "now": clock()}
    sending.send_report(report, seen, render_report, **about)
    for message in ReportDelivery.due(clock()):
        assert report_delivery.deliver_report(message.id, config=config, now=clock) == "sent"


def leave_failed(by: Actor, config: Config, clock: Clock, **more: bool) -> None:
    def send(*_: object) -> str:
        raise SendingFailed("recipient", f"550 5.1.1 {'a-very-long-word' * 12}", **more)

    users.invite_user(
        name="Bo", email=f"bo{OutgoingEmail.select().count()}@agency.example",
        access=Access("viewer"), by=by, config=config, now=clock(),
    )  # fmt: skip
    email = OutgoingEmail.select().order_by(OutgoingEmail.id.desc()).get()
    delivery.send_email(email.id, config=config, now=clock, send=send)


def test_the_pages_are_accessible_at_every_width(
    context: BrowserContext, served: tuple[Config, list[Received]]
) -> None:
    config, _ = served
    page = context.new_page()
    found = []
    for path in ("/password", "/sign-in"):
        page.goto(config.origin + path)
        found += problems_of(page, path)
    page.get_by_label("E-mail").fill("ana@agency.example")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda url: "/sign-in" not in url)
    page.goto(f"{config.origin}/settings/email/messages")
    links = page.locator("main table a").evaluate_all("all => all.map(one => one.pathname)")
    assert len(links) >= 10
    for path in (*_PAGES, *links):
        page.goto(config.origin + path)
        found += problems_of(page, path)
    assert not found, "\n".join(found)


def test_the_messages_are_accessible_and_load_nothing(
    context: BrowserContext, served: tuple[Config, list[Received]], tmp_path: Path
) -> None:
    _, received = served
    page, requested, found = context.new_page(), [], []
    page.on("request", lambda request: requested.append(request.url))
    assert len(received) >= 5
    for number, message in enumerate(received):
        file = tmp_path / f"{number}.html"
        file.write_text(message.html, "utf-8")
        page.goto(file.as_uri())
        found += problems_of(page, str(message.message["Subject"]))
    assert not found, "\n".join(found)
    assert {url.partition(":")[0] for url in requested} == {"file"}
    assert len(requested) == len(received)
