"""Second factors in a real browser with an authenticator: passkeys, and pages without scripts."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from playwright.sync_api import Browser, BrowserContext, CDPSession, Page, expect
from werkzeug.serving import make_server

from app import queue
from app.config import Config
from app.factory import create_app
from app.models.accounts import User
from app.models.agency import Agency
from app.models.base import db, use_database, utcnow
from app.models.second_factors import Passkey, SecondFactor
from tests.support.config import make_config
from tests.support.factories import PASSWORD, make_user
from tests.support.fakes import RecordingQueue
from tests.support.page_problems import problems_of
from tests.support.second_factors import add_app, app_code, forget_used_codes

ANA, BEN, CARL = "ana@agency.example", "ben@agency.example", "carl@agency.example"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, migrated_file: bytes) -> Iterator[Config]:
    """An Aura at localhost, also opened as aura.localhost by mistake. Operators need a factor."""
    config = make_config(tmp_path_factory.mktemp("factors"))
    config = replace(config, trusted_hosts=("localhost", "aura.localhost"))
    (config.var_dir / "aura.db").write_bytes(migrated_file)
    app = create_app(config)
    queue.use(RecordingQueue())
    server = make_server("127.0.0.1", 0, app, threaded=True)
    config = replace(config, origin=f"http://localhost:{server.server_port}")
    app.config["AURA"] = config
    use_database(config.database_url)
    with db.connection_context():
        make_user("Ana", "owner")
        make_user("Ben", "operator")
        add_app(make_user("Carl", "operator"), config, utcnow())
        Agency.write(second_factor_roles=["operator"])
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield config
    server.shutdown()
    thread.join(10)


@pytest.fixture(autouse=True)
def _nothing_of_the_test_before(served: Config) -> Iterator[None]:
    with db.connection_context():
        Passkey.delete().execute()
        forget_used_codes()
        yield


def plug_in(page: Page) -> tuple[CDPSession, str]:
    """Give the browser an authenticator that verifies the person at once; return how to tell it."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    added = session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return session, added["authenticatorId"]


def type_password(page: Page, config: Config, email: str) -> None:
    page.goto(f"{config.origin}/sign-in")
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()


def sign_out(page: Page) -> None:
    page.locator(".sidebar").get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/sign-in")


def add_passkey(page: Page, config: Config) -> None:
    page.goto(f"{config.origin}/account/second-factor")
    page.get_by_role("button", name="Add passkey").click()
    page.get_by_label("Name").fill("Laptop")
    page.get_by_role("button", name="Create passkey").click()
    page.wait_for_url(lambda url: "/passkeys/new" not in url)


def test_a_passkey_is_added_used_and_removed(context: BrowserContext, served: Config) -> None:
    page, complaints = context.new_page(), []
    page.on("console", lambda said: complaints.append(said.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    plug_in(page)
    type_password(page, served, ANA)
    add_passkey(page, served)
    expect(page.get_by_role("heading", level=1)).to_have_text("Recovery codes")
    page.get_by_role("link", name="I have kept them").click()
    expect(page.get_by_role("row", name="Laptop")).to_be_visible()
    sign_out(page)
    # Alone, without a password.
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page).to_have_url(f"{served.origin}/")
    sign_out(page)
    # After the password.
    type_password(page, served, ANA)
    page.get_by_role("button", name="Use a passkey").click()
    expect(page).to_have_url(f"{served.origin}/")
    page.goto(f"{served.origin}/account/second-factor")
    page.get_by_role("button", name="Remove passkey").click()
    expect(page.get_by_text("Passkey Laptop removed")).to_be_visible()
    sign_out(page)
    expect(page.get_by_role("button", name="Sign in with a passkey")).to_have_count(0)
    assert complaints == []


@pytest.mark.nightly
def test_a_role_that_needs_a_factor_adds_a_passkey_at_sign_in(
    context: BrowserContext, served: Config
) -> None:
    page = context.new_page()
    plug_in(page)
    type_password(page, served, BEN)
    expect(page.get_by_role("heading", level=1)).to_have_text("Add a second factor")
    page.get_by_label("Name").fill("Phone")
    page.get_by_role("button", name="Create passkey and sign in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Recovery codes")
    page.get_by_role("link", name="I have kept them").click()
    expect(page).to_have_url(f"{served.origin}/")


@pytest.mark.nightly
def test_a_person_whom_the_device_does_not_recognize_stays_on_the_page(
    context: BrowserContext, served: Config
) -> None:
    page = context.new_page()
    session, device = plug_in(page)
    type_password(page, served, ANA)
    add_passkey(page, served)
    page.goto(f"{served.origin}/account")
    sign_out(page)
    stranger = {"authenticatorId": device, "isUserVerified": False}
    session.send("WebAuthn.setUserVerified", stranger)
    button = page.get_by_role("button", name="Sign in with a passkey")
    button.click()
    expect(page.get_by_role("alert").filter(has_text="The passkey was not used")).to_be_visible()
    expect(button).to_be_enabled()
    session.send("WebAuthn.setUserVerified", {**stranger, "isUserVerified": True})
    button.click()
    expect(page).to_have_url(f"{served.origin}/")


@pytest.mark.nightly
def test_a_page_at_a_wrong_host_names_the_right_one(
    context: BrowserContext, served: Config
) -> None:
    page = context.new_page()
    plug_in(page)
    type_password(page, served, ANA)
    add_passkey(page, served)
    wrong = context.new_page()
    plug_in(wrong)
    elsewhere = served.origin.replace("localhost", "aura.localhost")
    wrong.goto(f"{elsewhere}/sign-in")
    expect(wrong.get_by_text(f"Passkeys work only at {served.origin}")).to_be_visible()
    expect(wrong.get_by_role("button", name="Sign in with a passkey")).to_have_count(0)


@contextmanager
def without_scripts(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(java_script_enabled=False, locale="en-GB")
    yield context.new_page()
    context.close()


@pytest.mark.nightly
def test_without_scripts_codes_are_offered(browser: Browser, served: Config) -> None:
    carl = User.get(User.email == CARL)
    Passkey.create(
        user=carl, credential_id="x", public_key="x", sign_count=0, name="Phone", added_at=utcnow()
    )
    with without_scripts(browser) as page:
        page.goto(f"{served.origin}/sign-in")
        expect(page.get_by_role("button", name="Sign in with a passkey")).to_be_hidden()
        type_password(page, served, CARL)
        expect(page.get_by_role("button", name="Use a passkey")).to_be_hidden()
        expect(page.get_by_text("Your passkeys need JavaScript")).to_be_visible()
        page.get_by_label("Code of your authenticator app").fill(app_code(carl, served, utcnow()))
        page.get_by_role("button", name="Sign in").click()
        expect(page).to_have_url(f"{served.origin}/")


@pytest.mark.nightly
def test_an_app_is_set_up_and_used_by_keyboard(context: BrowserContext, served: Config) -> None:
    page = context.new_page()
    type_password(page, served, CARL)
    carl = User.get(User.email == CARL)
    expect(page.get_by_label("Code of your authenticator app")).to_be_focused()
    page.keyboard.type(app_code(carl, served, utcnow()))
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{served.origin}/")


@pytest.mark.nightly
def test_the_pages_are_accessible_at_every_width(context: BrowserContext, served: Config) -> None:
    page, found = context.new_page(), []
    plug_in(page)
    SecondFactor.delete().where(SecondFactor.user == User.get(User.email == ANA)).execute()

    def look(name: str) -> None:
        found.extend(problems_of(page, name))

    type_password(page, served, BEN)
    look("add at sign-in")
    type_password(page, served, ANA)
    page.goto(f"{served.origin}/account/second-factor")
    look("without a factor")
    page.get_by_role("button", name="Set up app").click()
    look("new app")
    page.get_by_label("Code that the app shows now").fill("000000")
    page.get_by_role("button", name="Add app").click()
    look("wrong code")
    page.goto(f"{served.origin}/account/second-factor")
    page.get_by_role("button", name="Add passkey").click()
    look("new passkey")
    add_passkey(page, served)
    look("recovery codes")
    carl = User.get(User.email == CARL).id
    theirs = f"/team/{carl}/second-factor"
    for path in ("/account/second-factor", "/account", "/team", theirs, "/settings/security"):
        page.goto(served.origin + path)
        look(path)
    page.goto(f"{served.origin}/account/second-factor")
    sign_out(page)
    look("sign-in with passkeys")
    type_password(page, served, ANA)
    look("second step")
    assert not found, "\n".join(found)
