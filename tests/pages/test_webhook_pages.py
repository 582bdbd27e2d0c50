"""The pages about webhooks with messages in every state, in a browser, with and without scripts."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from playwright.sync_api import Browser, BrowserContext, Page
from werkzeug.serving import make_server

from app import queue
from app.config import Config
from app.domain.actor import Actor
from app.domain.webhooks import delivery, outbox
from app.factory import create_app
from app.http.errors import CallError, ErrorCode
from app.http.webhook_client import WebhookReply
from app.models.base import db, use_database, utcnow
from app.models.webhooks import WebhookEndpoint
from tests.support.config import make_config
from tests.support.factories import PASSWORD, make_site, make_user
from tests.support.fakes import Clock, RecordingQueue
from tests.support.page_problems import problems_of
from tests.support.page_steps import sign_in_with
from tests.support.webhooks import add_endpoint

pytestmark = pytest.mark.nightly

_LONG = "a-very-long-word" * 12
_SECTION = {"heading": "Needs you now", "entries": [], "more": 0}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, migrated_file: bytes) -> Iterator[Config]:
    """An Aura whose webhooks are in each state."""
    config = make_config(tmp_path_factory.mktemp("webhooks"))
    (config.var_dir / "aura.db").write_bytes(migrated_file)
    app = create_app(config)
    queue.use(RecordingQueue())
    server = make_server("127.0.0.1", 0, app, threaded=True)
    config = replace(config, origin=f"http://127.0.0.1:{server.server_port}")
    app.config["AURA"] = config
    use_database(config.database_url)
    with db.connection_context():
        fill(config)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield config
    server.shutdown()
    thread.join(10)


def fill(config: Config) -> None:
    ana = Actor.of(make_user("Ana", "owner"), "192.0.2.1")
    clock = Clock(utcnow() - timedelta(days=2))
    make_site(ana, now=clock(), client="Bakery Ltd")
    program, _ = add_endpoint(ana, config, clock(), name="On-call program")
    gone, _ = add_endpoint(ana, config, clock(), name=f"Old {_LONG}"[:80], format="teams")
    failing, _ = add_endpoint(ana, config, clock(), name="Ticket system")
    add_endpoint(ana, config, clock(), name="Team chat", format="slack", wants="everything")
    send(program, "Critical: Bakery is down", WebhookReply(200, b"ok"), config, clock)
    send(program, f"Critical: {_LONG}", WebhookReply(503, _LONG.encode()), config, clock)
    send(program, "Resolved: Bakery is up again", None, config, clock)
    send(gone, "Critical: Bakery is down", WebhookReply(410, b"no such channel"), config, clock)
    send(failing, "Critical: Bakery is down", None, config, clock, attempts=14)
    clock.now = utcnow()
    outbox.request_test(failing, by=ana, now=clock())


def send(
    endpoint: WebhookEndpoint,
    subject: str,
    reply: WebhookReply | None,
    config: Config,
    clock: Clock,
    attempts: int = 2,
) -> None:
    """Queue a message, and answer its attempts with this reply or none."""

    def post(*_: object, **__: object) -> WebhookReply:
        if reply is None:
            raise CallError(ErrorCode.too_slow, {"detail": "timed out"})
        return reply

    content = {"sections": [_SECTION]}
    message = outbox.queue_message(endpoint, outbox.OPENED, subject, content, now=clock())
    for _ in range(attempts):
        delivery.send_webhook(message.id, config=config, now=clock, post=post)
        message.refresh()
        clock.now = message.next_attempt_at


def sign_in(page: Page, config: Config) -> None:
    page.goto(f"{config.origin}/sign-in")
    sign_in_with(page, "ana@agency.example", PASSWORD)


def test_the_pages_are_accessible_at_every_width(context: BrowserContext, served: Config) -> None:
    page = context.new_page()
    sign_in(page, served)
    page.goto(f"{served.origin}/settings/webhooks")
    links = page.locator("main table a").evaluate_all("all => all.map(one => one.pathname)")
    assert len(links) == 4
    edits = [f"{link}/edit" for link in links]
    found = []
    for path in ("/", "/settings/webhooks", "/settings/webhooks/new", *links, *edits):
        page.goto(served.origin + path)
        found += problems_of(page, path)
    assert not found, "\n".join(found)


def test_a_webhook_is_added_by_keyboard_without_scripts(browser: Browser, served: Config) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    sign_in(page, served)
    page.goto(f"{served.origin}/settings/webhooks/new")
    page.get_by_label("Name").fill("Night shift")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.type("https://hooks.example/in/night-shift")
    page.keyboard.press("Enter")
    page.wait_for_url("**/secret")
    assert page.get_by_label("Secret of Night shift").input_value().startswith("whsec_")
    page.get_by_role("button", name="Send test message").click()
    page.wait_for_url("**#log")
    assert page.get_by_text("Test message from Aura").is_visible()
    context.close()


def test_a_double_click_adds_one_webhook(context: BrowserContext, served: Config) -> None:
    page = context.new_page()
    sign_in(page, served)
    page.goto(f"{served.origin}/settings/webhooks/new")
    page.get_by_label("Name").fill("Clicked twice")
    page.get_by_label("Address").fill("https://hooks.example/in/twice")
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.method))
    page.get_by_role("button", name="Add webhook").dblclick()
    page.wait_for_url("**/secret")
    assert sent.count("POST") == 1
