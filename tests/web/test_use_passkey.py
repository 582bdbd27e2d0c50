"""Add a passkey and sign in with it; every invalid response is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from app.domain.accounts import passkeys
from app.models.accounts import User, UserSession
from app.models.audit import AuditEntry
from app.models.base import utcnow
from app.models.second_factors import Passkey, PasskeyChallenge, RecoveryCode, SecondFactor
from app.protocol import b64u
from tests.support.browsers import signed_in
from tests.support.factories import PASSWORD
from tests.support.second_factors import Device

ANA = "ana@agency.example"
PAGE = "/account/second-factor/passkeys"
ALONE = "?alone=1"
REFUSED = "This passkey was not accepted"


@pytest.fixture(autouse=True)
def _passkey_origin(app, config):
    """Set the origin that these browsers open, because passkeys work only there."""
    app.config["AURA"] = replace(config, origin="http://localhost")


def options(person, path: str = f"/sign-in/passkey/options{ALONE}") -> dict[str, Any]:
    answer = person.post(path)
    assert answer.status_code == 200
    return json.loads(answer.text)


def add(person, device: Device, name: str = "Phone"):
    answer = device.create(options(person, f"{PAGE}/options"))
    return person.post(f"{PAGE}/new", data={"name": name, "passkey": answer})


def sign_in(person, answer: str, path: str = f"/sign-in/passkey{ALONE}", **more: str):
    sent = person.post(path, data={"passkey": answer, **more})
    person.forget_token()
    return sent


@pytest.fixture
def device(app, ana) -> Device:
    """Return a device of Ana with a passkey for this Aura."""
    made = Device()
    assert add(signed_in(app, ana), made).status_code == 303
    return made


# ---- adding ----


def test_a_passkey_is_added_and_listed(as_ana, ana):
    device = Device()
    assert "Your browser asks where to keep" in as_ana.get(f"{PAGE}/new").text
    requested = options(as_ana, f"{PAGE}/options")
    assert requested["attestation"] == "none"
    assert requested["rp"] == {"name": "Aura", "id": "localhost"}
    assert requested["authenticatorSelection"]["userVerification"] == "required"
    assert requested["authenticatorSelection"]["residentKey"] == "required"
    assert "ana" not in requested["user"]["id"].lower()
    answer = add(as_ana, device, "  Blue   key ")
    assert answer.headers["Location"] == "/account/second-factor/recovery-codes"
    assert "Blue key" in as_ana.get("/account/second-factor").text
    assert Passkey.get().name == "Blue key"
    assert RecoveryCode.unused(ana.id) == 10
    excluded = options(as_ana, f"{PAGE}/options")["excludeCredentials"]
    assert [credential["id"] for credential in excluded] == [b64u(device.credential_id)]


def test_a_second_passkey_keeps_handle_and_recovery_codes(as_ana, ana):
    first, second = Device(), Device()
    add(as_ana, first)
    codes = list(RecoveryCode.select().dicts())
    assert add(as_ana, second, "Key").headers["Location"] == "/account/second-factor"
    assert first.handle == second.handle
    assert list(RecoveryCode.select().dicts()) == codes
    assert [passkey.name for passkey in Passkey.of(ana.id)] == ["Phone", "Key"]


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"origin": "http://evil.example"}, "Phone"),
        ({"origin": "http://localhost:81"}, "Phone"),
        ({"origin": "https://localhost"}, "Phone"),
        ({"rp_id": "evil.example"}, "Phone"),
        ({"flags": 0x01}, "Phone"),
        ({"flags": 0x04}, "Phone"),
        ({}, ""),
        ({}, "x" * 61),
        ({}, "a\u202eb"),
    ],
)
def test_an_invalid_passkey_is_not_added(as_ana, changes, name):
    assert add(as_ana, Device(**changes), name).status_code == 422
    assert not Passkey.select().exists()


@pytest.mark.parametrize("answer", ["", "{}", "null", "[]", "[" * 8_000, '{"id": "a"}'])
def test_a_malformed_response_is_not_added(as_ana, answer):
    options(as_ana, f"{PAGE}/options")
    sent = as_ana.post(f"{PAGE}/new", data={"name": "Phone", "passkey": answer})
    assert sent.status_code == 422
    assert not Passkey.select().exists()


def test_a_challenge_adds_one_passkey(as_ana):
    requested = options(as_ana, f"{PAGE}/options")
    first, second = Device().create(requested), Device().create(requested)
    data = {"name": "Phone"}
    assert as_ana.post(f"{PAGE}/new", data={**data, "passkey": first}).status_code == 303
    assert as_ana.post(f"{PAGE}/new", data={**data, "passkey": second}).status_code == 422


def test_the_same_passkey_is_not_added_twice(app, as_ana, ben):
    device = Device()
    add(as_ana, device)
    answer = add(signed_in(app, ben), replace(device))
    assert answer.status_code == 422
    assert "already added" in answer.text


def test_a_person_has_at_most_twenty_passkeys(as_ana):
    for _ in range(20):
        add(as_ana, Device())
    assert as_ana.post(f"{PAGE}/options").status_code == 409


# ---- signing in ----


def test_a_passkey_signs_in_without_a_password(anonymous, device, ana):
    assert "Sign in with a passkey" in anonymous.get("/sign-in").text
    requested = options(anonymous)
    assert requested["allowCredentials"] == []
    assert requested["userVerification"] == "required"
    answer = sign_in(anonymous, device.use(requested), next="/sites")
    assert answer.headers["Location"] == "/sites"
    assert anonymous.get("/sites").status_code == 200
    assert AuditEntry.head().event == "signed_in"
    assert '"factor":"passkey"' in AuditEntry.head().body
    assert Passkey.get().last_used_at is not None
    assert not PasskeyChallenge.select().exists()


def test_a_passkey_replaces_the_code_after_the_password(anonymous, device):
    anonymous.signs_in(ANA, PASSWORD)
    page = anonymous.get("/sign-in/second-factor").text
    assert "Use a passkey" in page
    assert "Recovery code" in page
    requested = options(anonymous, "/sign-in/passkey/options")
    assert [item["id"] for item in requested["allowCredentials"]] == [b64u(device.credential_id)]
    assert sign_in(anonymous, device.use(requested), "/sign-in/passkey").status_code == 303
    assert anonymous.get("/").status_code == 200


def test_the_passkey_of_another_person_is_no_second_factor(app, anonymous, device, ben):
    other = Device()
    add(signed_in(app, ben), other)
    anonymous.signs_in(ANA, PASSWORD)
    requested = options(anonymous, "/sign-in/passkey/options")
    answer = anonymous.post("/sign-in/passkey", data={"passkey": other.use(requested)})
    assert answer.status_code == 422
    assert anonymous.get("/").status_code == 303


def cheated(**changes: Any) -> Callable[[Device, dict[str, Any]], str]:
    return lambda device, requested: replace(device, **changes).use(requested)


def with_response(**changes: str) -> Callable[[Device, dict[str, Any]], str]:
    def use(device: Device, requested: dict[str, Any]) -> str:
        answer = json.loads(device.use(requested))
        answer["response"] |= changes
        return json.dumps(answer)

    return use


@pytest.mark.parametrize(
    "cheat",
    [
        cheated(origin="http://evil.example"),
        cheated(origin="http://localhost:8443"),
        cheated(rp_id="evil.example"),
        cheated(flags=0x01),
        cheated(flags=0x04),
        cheated(key=Device().key),
        cheated(credential_id=b"of nobody here"),
        cheated(handle=b64u(b"somebody else")),
        with_response(signature=b64u(b"x" * 70)),
        with_response(authenticatorData=""),
        with_response(clientDataJSON=b64u(b"{}")),
        lambda device, requested: device.use({**requested, "challenge": b64u(bytes(32))}),
        lambda device, requested: device.create({**requested, "user": {"id": device.handle}}),
        lambda *_: "",
        lambda *_: "[]",
        lambda *_: "[" * 8_000,
    ],
)
def test_an_invalid_response_does_not_sign_in(anonymous, device, cheat):
    answer = sign_in(anonymous, cheat(device, options(anonymous)))
    assert answer.status_code == 422
    assert REFUSED in answer.text
    assert anonymous.get("/").status_code == 303
    assert AuditEntry.head().event == "second_factor_refused"


def test_a_response_works_once(app, anonymous, device):
    response = device.use(options(anonymous))
    with anonymous.session_transaction() as cookie:
        stolen = dict(cookie)
    assert sign_in(anonymous, response).status_code == 303
    thief = app.test_client()
    thief.token()
    with thief.session_transaction() as cookie:
        cookie["passkey_challenge"] = stolen["passkey_challenge"]
    assert sign_in(thief, response).status_code == 422
    assert "the challenge expired or was used" in AuditEntry.head().body


def test_a_challenge_expires_after_five_minutes(anonymous, device):
    requested = options(anonymous)
    PasskeyChallenge.update(created_at=utcnow() - timedelta(minutes=5)).execute()
    assert sign_in(anonymous, device.use(requested)).status_code == 422


def test_a_challenge_for_another_purpose_does_not_sign_in(app, anonymous, device, ana):
    working = signed_in(app, ana)
    requested = options(working, "/account/verify/passkey-options")
    with working.session_transaction() as cookie:
        ticket = cookie["passkey_challenge"]
    anonymous.signs_in(ANA, PASSWORD)
    anonymous.token()
    with anonymous.session_transaction() as cookie:
        cookie["passkey_challenge"] = ticket
    assert sign_in(anonymous, device.use(requested), "/sign-in/passkey").status_code == 422
    assert PasskeyChallenge.select().count() == 1


def test_a_counter_that_goes_back_is_refused_and_recorded(app, anonymous, device, as_ana):
    copy = replace(device)
    assert sign_in(anonymous, device.use(options(anonymous))).status_code == 303
    thief = app.test_client()
    answer = sign_in(thief, copy.use(options(thief)))
    assert answer.status_code == 422
    assert "may have been copied" in answer.text
    assert thief.get("/").status_code == 303
    assert AuditEntry.head().event == "second_factor_refused"
    assert "The passkey <strong>Phone</strong> was refused: the counter" in (
        as_ana.get("/activity").text
    )


def test_a_passkey_without_a_counter_works_repeatedly(app, ana):
    device = Device(counter=0)
    add(signed_in(app, ana), device)
    for _ in range(2):
        device.counter = 0
        person = app.test_client()
        assert sign_in(person, device.use(options(person))).status_code == 303


def test_a_disabled_person_does_not_sign_in(anonymous, device, ana):
    User.update(disabled_at=utcnow()).where(User.id == ana.id).execute()
    assert sign_in(anonymous, device.use(options(anonymous))).status_code == 422


def test_a_removed_passkey_does_not_sign_in(app, anonymous, device, as_ana):
    assert as_ana.post(f"{PAGE}/{Passkey.get().id}/remove").status_code == 303
    assert not RecoveryCode.select().exists()
    assert sign_in(anonymous, device.use(options(anonymous))).status_code == 422


# ---- confirming an open session ----


def test_a_passkey_confirms_the_identity(as_ana, device):
    long_ago = utcnow() - timedelta(hours=1)
    UserSession.update(verified_at=long_ago, confirmed_at=long_ago, ended_at=None).execute()
    prompt = as_ana.post("/account/second-factor/app")
    assert "Use a passkey instead" in prompt.text
    answer = device.use(options(as_ana, "/account/verify/passkey-options"))
    sent = as_ana.post("/account/second-factor/app", data={"own_passkey": answer})
    assert sent.headers["Location"] == "/account/second-factor/app"
    assert SecondFactor.get().pending_sealed
    again = as_ana.post("/team", data={"own_passkey": answer})
    assert again.status_code == 422


# ---- where passkeys work ----


@pytest.mark.parametrize(
    ("origin", "opened", "words"),
    [
        ("http://localhost:8000", "http://localhost:8000", ""),
        ("https://aura.example", "https://aura.example", ""),
        ("http://aura.localhost:8000", "http://aura.localhost:8000", ""),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000", "Passkeys need a host name"),
        ("https://[::1]", "https://[::1]", "Passkeys need a host name"),
        ("http://aura.example", "http://aura.example", "Passkeys need https"),
        ("https://aura.example", "https://other.example", "Open https://aura.example instead"),
        ("https://aura.example", "https://aura.example:8443", "Open https://aura.example instead"),
    ],
)
def test_the_page_says_where_passkeys_work(config, origin, opened, words):
    problem = passkeys.obstacle(replace(config, origin=origin), opened)
    assert (words in problem) if words else problem == ""


def test_passkeys_are_not_offered_at_another_address(app, anonymous, as_ana, device, config):
    app.config["AURA"] = replace(config, origin="https://aura.test")
    assert "Passkeys work only at https://aura.test" in anonymous.get("/sign-in").text
    page = as_ana.get("/account/second-factor", follow_redirects=True).text
    assert "Add passkey" not in page
    refused = anonymous.post(f"/sign-in/passkey/options{ALONE}")
    assert refused.status_code == 409
    assert not PasskeyChallenge.select().exists()


def test_a_network_has_few_open_challenges(anonymous, device):
    for _ in range(55):
        options(anonymous)
    assert PasskeyChallenge.select().count() == 50
    assert sign_in(anonymous, device.use(options(anonymous))).status_code == 303
