"""Sign in at an OpenID provider; a response that does not fit starts no session."""

from __future__ import annotations

import time
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
import requests
from joserfc import jwt
from joserfc.jwk import OctKey

from app.domain.accounts import openid_sign_in, single_sign_on, users
from app.domain.accounts.passwords import hash_password
from app.domain.accounts.single_sign_on import TypedProvider
from app.models.accounts import NO_PASSWORD, User, UserSession
from app.models.audit import AuditEntry
from app.models.base import utcnow
from app.models.single_sign_on import OpenIdIdentity, OpenIdProvider
from tests.support.factories import PASSWORD, make_user
from tests.support.openid_provider import (
    CLIENT_ID,
    KEY,
    OTHER_KEY,
    SECRET,
    local_provider,
    provider_server,
    signed,
)
from tests.support.second_factors import add_app, app_code, forget_used_codes

pytestmark = pytest.mark.both_databases
# The refusals are the same on every database.
NO_SQL = pytest.mark.both_databases(every_run=False)


@pytest.fixture(scope="module")
def server():
    with provider_server() as running:
        yield running


@pytest.fixture
def provider(server):
    return server.fresh_provider()


@pytest.fixture
def enable(provider, ana, database):
    """Return a function that turns on single sign-on, with changes to the settings."""

    def turn_on(**changes):
        typed = {
            "issuer": provider.issuer,
            "client_id": CLIENT_ID,
            "secret": SECRET,
            "label": "Okta",
            **changes,
        }
        single_sign_on.change_provider(
            TypedProvider(**typed), by=ana, config=database, now=utcnow()
        )

    return turn_on


@pytest.fixture
def eva(database):
    """Return a person who was invited and has no password yet."""
    return make_user("Eva", "operator", password_hash=NO_PASSWORD)


def at_provider(browser, path="/sign-in/provider"):
    """Start in Aura, sign in at the provider and return the address of the way back."""
    begun = browser.get(path)
    assert begun.status_code == 303, begun.text
    return back_from(begun.headers["Location"])


def back_from(address):
    answer = requests.get(address, allow_redirects=False, timeout=5)
    parts = urlsplit(answer.headers["Location"])
    return f"{parts.path}?{parts.query}"


def signs_in(browser, path="/sign-in/provider"):
    return browser.get(at_provider(browser, path))


def is_signed_in(browser):
    return browser.get("/account").status_code == 200


def refusals():
    found = AuditEntry.newest(event="sign_in_failed")
    return [entry for entry in found if "single sign-on" in entry.body]


# ---- what works ----


def test_an_invited_person_signs_in_without_ever_choosing_a_password(
    app, anonymous, as_ana, enable, provider, eva
):
    enable()
    assert "Sign in with Okta" in anonymous.get("/sign-in").text
    provider.email = "Eva@Agency.example"
    answer = signs_in(anonymous, "/sign-in/provider?next=/sites")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/sites")
    assert is_signed_in(anonymous)
    assert "Eva" in anonymous.get("/account").text
    assert as_ana.get("/team").text.count("Invited") == 0, "she is active now"
    for password in ("", "!", "!provider", PASSWORD):
        assert app.test_client().signs_in(eva.email, password).status_code == 422
    linked = AuditEntry.newest(event="identity_linked")
    assert len(linked) == 1
    token_request = provider.token_requests[0]
    assert token_request["redirect_uri"] == "http://aura.test/sign-in/answer"
    assert SECRET not in "".join(entry.body for entry in AuditEntry.newest(limit=500))


def test_the_subject_identifies_the_account(app, anonymous, enable, provider, eva):
    enable()
    provider.email = eva.email
    signs_in(anonymous)
    provider.email = "married@agency.example"
    again = app.test_client()
    signs_in(again)
    assert is_signed_in(again)
    assert OpenIdIdentity.select().count() == 1


def test_a_reused_address_does_not_open_the_account(app, anonymous, enable, provider, eva):
    enable()
    provider.email = eva.email
    signs_in(anonymous)
    provider.subject = "person-2"
    other = app.test_client()
    answer = signs_in(other)
    assert (answer.status_code, is_signed_in(other)) == (422, False)
    assert "No account here belongs to this sign-in." in answer.text
    assert "another subject" in refusals()[0].body


@pytest.mark.parametrize(
    "key",
    [{"kty": "EC", "crv": "P-999", "x": "AQ", "y": "AQ"}, {"kty": "moon"}, {}, None, "key", 5],
    ids=str,
)
def test_keys_of_unknown_kinds_are_ignored(anonymous, enable, provider, eva, key):
    enable()
    provider.email, provider.more_keys = eva.email, [key]
    signs_in(anonymous)
    assert is_signed_in(anonymous)


def test_an_old_sign_in_confirms_nothing_sensitive(anonymous, enable, provider, eva):
    enable()
    provider.email = eva.email
    provider.claims = {"auth_time": int(time.time()) - 3600}
    signs_in(anonymous)
    answer = anonymous.post("/activity/exports", data={"form": "csv", "client": "1"})
    assert "Confirm your identity" in answer.text
    assert "Confirm with Okta" in answer.text
    provider.claims = {}
    begun = anonymous.get("/sign-in/provider?next=/activity").headers["Location"]
    assert "prompt=login" in begun
    assert "max_age=0" in begun
    assert anonymous.get(back_from(begun)).headers["Location"] == "/activity"
    answer = anonymous.post("/activity/exports", data={"form": "csv", "client": "1"})
    assert answer.status_code == 404, "the client is unknown, and no confirmation is needed"
    assert AuditEntry.newest(event="identity_confirmed")


@pytest.mark.parametrize("claims", [{"auth_time": 1_000_000_000}, {"auth_time": None}])
def test_a_provider_that_does_not_ask_confirms_nothing(anonymous, enable, provider, eva, claims):
    enable()
    provider.email = eva.email
    signs_in(anonymous)
    UserSession.update(confirmed_at=utcnow() - timedelta(hours=1)).execute()
    provider.claims = claims
    assert signs_in(anonymous).status_code == 422
    assert UserSession.get().confirmed_at < utcnow() - timedelta(minutes=59)


def test_another_person_at_the_provider_confirms_nothing(anonymous, enable, provider, eva):
    enable()
    provider.email = eva.email
    signs_in(anonymous)
    provider.subject = "person-2"
    assert signs_in(anonymous).status_code == 422
    assert "another person" in refusals()[0].body


def test_new_people_become_viewers_who_see_no_client(anonymous, enable, provider, today):
    enable(domains="@Agency.example, other.example", creates_viewers=True)
    provider.email = "newcomer@agency.example"
    signs_in(anonymous)
    user = User.get(User.email == "newcomer@agency.example")
    assert (user.role, user.limited_to, user.is_invited) == ("viewer", [], False)
    assert is_signed_in(anonymous)
    assert "Bakery" not in anonymous.get("/sites").text


def test_an_owner_without_a_password_is_not_the_last_one(as_ana, anonymous, ana, enable, provider):
    enable()
    olga = make_user("Olga", "owner", password_hash=NO_PASSWORD)
    provider.email = olga.email
    signs_in(anonymous)
    assert is_signed_in(anonymous)
    assert as_ana.post(f"/team/{ana.id}/disable").status_code == 409
    assert not User.get_by_id(ana.id).is_disabled


def test_signing_out_ends_the_session_here(anonymous, enable, provider, eva):
    enable()
    provider.email = eva.email
    signs_in(anonymous)
    anonymous.post("/sign-out")
    assert not is_signed_in(anonymous)


# ---- what is refused ----


@NO_SQL
@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"aud": "another-client"},
        {"aud": "another-client", "azp": CLIENT_ID},
        {"aud": [CLIENT_ID, "another-client"]},
        {"aud": [CLIENT_ID, "another-client"], "azp": "another-client"},
        {"iss": "https://evil.example"},
        {"exp": 1_700_000_000},
        {"exp": None},
        {"iat": 4_000_000_000},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"sub": "x" * 300},
        {"auth_time": "yesterday"},
        {"email": None},
        {"email": "stranger@agency.example"},
        {"email_verified": None},
        {"email_verified": False},
        {"email_verified": "true"},
        {"email_verified": "false"},
    ],
    ids=str,
)
def test_a_token_that_does_not_fit_starts_no_session(anonymous, enable, provider, eva, claims):
    enable()
    provider.email, provider.claims = eva.email, claims
    answer = signs_in(anonymous)
    assert (answer.status_code, is_signed_in(anonymous)) == (422, False)
    assert OpenIdIdentity.select().count() == 0
    assert len(refusals()) == 1


def unsigned(claims):
    return signed(claims).rpartition(".")[0] + "."


def alg_none(claims):
    return jwt.encode({"alg": "none"}, claims, OctKey.generate_key(), algorithms=["none"])


def signed_with_public_key(claims):
    """Use the public key as the secret of a symmetric signature, a known attack."""
    secret = OctKey.import_key(KEY.as_pem(private=False))
    return jwt.encode({"alg": "HS256", "kid": "first"}, claims, secret)


def signed_by_another(claims):
    return jwt.encode({"alg": "RS256", "kid": "first"}, claims, OTHER_KEY)


def changed_after(claims):
    other = signed({**claims, "sub": "someone-else"})
    head, _, signature = signed(claims).split(".")
    return ".".join((head, other.split(".")[1], signature))


@NO_SQL
@pytest.mark.parametrize(
    "sign",
    [
        unsigned,
        alg_none,
        signed_with_public_key,
        signed_by_another,
        changed_after,
        lambda _: "not a token",
        lambda _: "",
        lambda _: None,
    ],
)
def test_a_token_that_the_provider_did_not_sign_starts_no_session(
    anonymous, enable, provider, eva, sign
):
    enable()
    provider.email, provider.sign = eva.email, sign
    answer = signs_in(anonymous)
    assert (answer.status_code, is_signed_in(anonymous)) == (422, False)
    assert "Try again, or sign in with your password." in answer.text


def test_an_answer_counts_once_and_in_one_browser(app, anonymous, enable, provider, eva):
    enable()
    provider.email = eva.email
    back = at_provider(anonymous)
    other = app.test_client()
    assert other.get(back).status_code == 422, "another browser"
    assert anonymous.get(back).status_code == 303
    anonymous.post("/sign-out")
    assert anonymous.get(back).status_code == 422, "once more"
    assert not is_signed_in(anonymous)
    back = at_provider(anonymous)
    assert anonymous.get("/sign-in/answer?state=guessed&code=x").status_code == 422
    assert anonymous.get(back).status_code == 422, "a refused answer ends the attempt"


@NO_SQL
@pytest.mark.parametrize(
    "answer",
    [
        {"state": "another"},
        {"state": ""},
        {"state": "ünknown"},
        {"iss": "https://evil.example"},
        {"iss": ""},
        {"code": ""},
        {"code": "guessed"},
        {"code": "", "error": "access_denied", "error_description": "<script>"},
    ],
    ids=str,
)
def test_an_answer_that_does_not_belong_here_starts_no_session(
    anonymous, enable, provider, eva, answer
):
    enable()
    provider.email, provider.answer = eva.email, answer
    refused = signs_in(anonymous)
    assert (refused.status_code, is_signed_in(anonymous)) == (422, False)
    assert "<script>" not in refused.text
    assert len(refusals()) == 1


def test_an_answer_after_ten_minutes_comes_too_late(enable, provider, eva, database):
    enable()
    provider.email = eva.email
    began = utcnow() - timedelta(minutes=11)
    attempt, _ = openid_sign_in.begin("/", config=database, now=began)
    with pytest.raises(openid_sign_in.Invalid, match="expired"):
        openid_sign_in.finish(
            attempt,
            {"state": attempt.state, "iss": provider.issuer, "code": "x"},
            browser=openid_sign_in.ClientInfo("192.0.2.9"),
            config=database,
            now=utcnow(),
        )
    assert provider.token_requests == []


def test_an_answer_to_a_provider_that_was_replaced_does_not_count(anonymous, enable, provider, eva):
    enable()
    provider.email = eva.email
    back = at_provider(anonymous)
    with local_provider() as other:
        enable(issuer=other.issuer)
        assert anonymous.get(back).status_code == 422
        assert other.token_requests == provider.token_requests == [], "no code went anywhere"


def test_the_verifier_of_the_browser_is_needed(anonymous, enable, provider, eva):
    enable()
    provider.email = eva.email
    back = at_provider(anonymous)
    code = next(iter(provider.codes))
    provider.codes[code]["code_challenge"] = "of-another-browser"
    assert anonymous.get(back).status_code == 422


def test_a_disabled_person_or_another_domain_is_refused(app, anonymous, enable, provider, ana, eva):
    enable(domains="other.example")
    provider.email = eva.email
    assert signs_in(anonymous).status_code == 422
    enable()
    assert signs_in(anonymous).status_code == 303
    users.disable_user(User.get_by_id(eva.id), by=ana, now=utcnow())
    again = app.test_client()
    assert signs_in(again).status_code == 422
    assert not is_signed_in(again)


def test_the_password_works_while_the_provider_is_down(anonymous, enable, provider, ana):
    enable()
    back = at_provider(anonymous)
    OpenIdProvider.update(token="http://127.0.0.1:9/token").execute()
    answer = anonymous.get(back)
    assert answer.status_code == 422
    assert "could not be reached" in answer.text
    assert "sign in with your password" in answer.text
    assert anonymous.signs_in("ana@agency.example", PASSWORD).status_code == 303


def test_without_a_provider_its_pages_are_not_found(anonymous, ana):
    assert "Sign in with" not in anonymous.get("/sign-in").text
    for path in ("/sign-in/provider", "/sign-in/answer?state=x&code=y"):
        assert anonymous.get(path).status_code == 404


# ---- setting it up ----


def form(provider, **changes):
    usual = {"issuer": provider.issuer, "client_id": CLIENT_ID, "secret": SECRET, "label": "Okta"}
    return {**usual, **changes}


def test_an_owner_sets_up_single_sign_on_and_turns_it_off(as_ana, provider):
    assert "http://aura.test/sign-in/answer" in as_ana.get("/settings/single-sign-on").text
    answer = as_ana.post("/settings/single-sign-on", data=form(provider))
    assert answer.status_code == 303
    stored = OpenIdProvider.read()
    assert SECRET not in stored.secret_sealed
    page = as_ana.get("/settings/single-sign-on").text
    assert provider.issuer in page
    assert SECRET not in page
    kept = as_ana.post("/settings/single-sign-on", data=form(provider, secret="", label="SSO"))
    assert kept.status_code == 303
    assert OpenIdProvider.read().secret_sealed == stored.secret_sealed
    assert "set up single sign-on with <strong>SSO</strong>" in as_ana.get("/activity").text
    assert as_ana.post("/settings/single-sign-on/remove").status_code == 303
    assert OpenIdProvider.read() is None
    assert "turned single sign-on off" in as_ana.get("/activity").text
    assert as_ana.post("/settings/single-sign-on/remove").status_code == 409


@NO_SQL
@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"issuer": "http://accounts.example"}, "issuer"),
        ({"issuer": "ftp://accounts.example"}, "issuer"),
        ({"issuer": "https://ana:pw@accounts.example"}, "issuer"),
        ({"issuer": "https://accounts.example/?x=1"}, "issuer"),
        ({"issuer": "http://127.0.0.1:9"}, "issuer"),
        ({"issuer": "https://10.0.0.1"}, "issuer"),
        ({"client_id": ""}, "client_id"),
        ({"secret": ""}, "secret"),
        ({"secret": "gehäim"}, "secret"),
        ({"label": ""}, "label"),
        ({"label": "x" * 61}, "label"),
        ({"domains": "agency"}, "domains"),
        ({"creates_viewers": "1"}, "domains"),
    ],
    ids=str,
)
def test_a_mistake_is_shown_beside_its_field(as_ana, provider, changes, field):
    answer = as_ana.post("/settings/single-sign-on", data=form(provider, **changes))
    assert (answer.status_code, f'id="f-{field}-error"' in answer.text) == (422, True)
    assert OpenIdProvider.read() is None


@NO_SQL
@pytest.mark.parametrize(
    "configuration",
    [
        {"issuer": "https://evil.example"},
        {"token_endpoint": "http://10.0.0.1/token"},
        {"jwks_uri": ""},
        {"token_endpoint_auth_methods_supported": ["private_key_jwt"]},
        {"token_endpoint_auth_methods_supported": 7},
    ],
    ids=str,
)
def test_a_provider_that_contradicts_itself_is_not_stored(as_ana, provider, configuration):
    provider.configuration = configuration
    answer = as_ana.post("/settings/single-sign-on", data=form(provider))
    assert (answer.status_code, 'id="f-issuer-error"' in answer.text) == (422, True)


def test_the_secret_is_entered_again_for_another_provider(as_ana, provider):
    as_ana.post("/settings/single-sign-on", data=form(provider))
    with local_provider() as other:
        answer = as_ana.post("/settings/single-sign-on", data=form(other, secret=""))
        assert (answer.status_code, 'id="f-secret-error"' in answer.text) == (422, True)


def test_erasing_a_person_deletes_their_identity(as_ana, anonymous, enable, provider, eva):
    enable()
    provider.email = eva.email
    signs_in(anonymous)
    as_ana.post(f"/team/{eva.id}/disable")
    as_ana.post(f"/team/{eva.id}/erase", data={"reason": "asked for"})
    assert OpenIdIdentity.select().count() == 0


# ---- a second factor of Aura ----


def test_the_provider_does_not_replace_the_second_factor(
    anonymous, enable, provider, eva, database
):
    enable()
    add_app(eva, database, utcnow())
    forget_used_codes()
    provider.email = eva.email
    answer = signs_in(anonymous, "/sign-in/provider?next=/sites")
    assert answer.headers["Location"] == "/sign-in/second-factor?next=/sites"
    assert not is_signed_in(anonymous)
    shown = app_code(eva, database, utcnow())
    assert anonymous.post("/sign-in/second-factor", data={"code": shown}).status_code == 303
    assert is_signed_in(anonymous)


def test_a_role_that_needs_a_second_factor_adds_it_after_the_provider(
    anonymous, as_ana, enable, provider, eva
):
    enable()
    as_ana.post("/settings/security/second-factor", data={"roles": ["operator"]})
    provider.email = eva.email
    assert signs_in(anonymous).headers["Location"].startswith("/sign-in/add-factor")
    assert not is_signed_in(anonymous)


def test_an_owner_can_trust_the_second_factor_of_the_provider(
    app, anonymous, as_ana, enable, provider, eva, database
):
    answer = as_ana.post("/settings/single-sign-on", data=form(provider, checks_factor="1"))
    assert answer.status_code == 303
    assert 'name="checks_factor" value="1" checked' in as_ana.get("/settings/single-sign-on").text
    assert "Aura trusts its check of a second factor" in as_ana.get("/activity").text
    as_ana.post("/settings/security/second-factor", data={"roles": ["operator"]})
    add_app(eva, database, utcnow())
    provider.email = eva.email
    assert signs_in(anonymous, "/sign-in/provider?next=/sites").headers["Location"] == "/sites"
    assert is_signed_in(anonymous)
    assert "at a provider that checks a second factor" in as_ana.get("/activity").text
    # Aura itself has checked no factor, so this session cannot change one.
    as_ana.post("/settings/security/second-factor", data={"roles": []})
    anonymous.forget_token()
    assert anonymous.post("/account/second-factor/app/remove").status_code == 403
    # Other ways to sign in still need the factor.
    User.update(password_hash=hash_password(PASSWORD)).where(User.id == eva.id).execute()
    other = app.test_client().signs_in(eva.email, PASSWORD)
    assert other.headers["Location"].startswith("/sign-in/second-factor")


def test_without_that_trust_the_role_still_needs_a_factor(anonymous, as_ana, enable, provider, eva):
    enable(checks_factor=True)
    enable(checks_factor=False)
    as_ana.post("/settings/security/second-factor", data={"roles": ["operator"]})
    provider.email = eva.email
    assert signs_in(anonymous).headers["Location"].startswith("/sign-in/add-factor")


def test_a_trusted_provider_signs_in_a_person_without_a_factor(
    anonymous, as_ana, enable, provider, eva
):
    enable(checks_factor=True)
    as_ana.post("/settings/security/second-factor", data={"roles": ["operator"]})
    provider.email = eva.email
    signs_in(anonymous)
    assert is_signed_in(anonymous)


def test_an_old_provider_sign_in_changes_no_factor(anonymous, enable, provider, eva, database):
    enable()
    add_app(eva, database, utcnow())
    forget_used_codes()
    provider.email = eva.email
    provider.claims = {"auth_time": int(time.time()) - 3600}
    signs_in(anonymous)
    shown = app_code(eva, database, utcnow())
    anonymous.post("/sign-in/second-factor", data={"code": shown})
    anonymous.forget_token()
    assert is_signed_in(anonymous)
    assert anonymous.post("/account/second-factor/app/remove").status_code == 403


def test_a_person_without_a_password_confirms_with_a_code(
    anonymous, enable, provider, eva, database
):
    enable()
    add_app(eva, database, utcnow())
    forget_used_codes()
    provider.email = eva.email
    signs_in(anonymous)
    shown = app_code(eva, database, utcnow())
    anonymous.post("/sign-in/second-factor", data={"code": shown})
    anonymous.forget_token()
    proof = {
        "own_password": "",
        "own_code": app_code(eva, database, utcnow() + timedelta(seconds=30)),
    }
    UserSession.update(verified_at=None).execute()
    path = "/account/second-factor/app"
    assert anonymous.post(path, data={**proof, "own_code": "000000"}).status_code == 422
    assert anonymous.post(path, data=proof).status_code == 303
    long_ago = utcnow() - timedelta(minutes=10)
    UserSession.update(verified_at=None, confirmed_at=long_ago).execute()
    forget_used_codes()
    assert anonymous.post(path, data=proof).status_code == 422
