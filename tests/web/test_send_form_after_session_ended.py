"""A form sent after the session ended is kept until the person has signed in again."""

from __future__ import annotations

import html
import re

import pytest

from app.models.accounts import UserSession
from app.models.base import utcnow
from app.models.clients import Client
from app.models.sites import Site
from tests.support.factories import PASSWORD

TYPED = {"name": "Café <Rosa>", "client": "Rosa & Söhne", "url": "https://rosa.example"}


def end_session() -> None:
    UserSession.update(ended_at=utcnow()).execute()


def hidden(text: str) -> list[tuple[str, str]]:
    """Return the hidden fields of the page, as the browser sends them."""
    found = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', text)
    return [(name, html.unescape(value)) for name, value in found]


def sign_in(person, page: str, email: str = "ana@agency.example", password: str = PASSWORD):
    answer = person.post(
        "/sign-in", data=dict(hidden(page)) | {"email": email, "password": password}
    )
    person.forget_token()
    return answer


def test_a_kept_form_is_sent_by_hand_after_signing_in(as_ana, jobs):
    as_ana.get("/sites/new")
    token = as_ana.token()
    end_session()
    ended = as_ana.post("/sites/new", data=TYPED)
    assert ended.status_code == 403
    assert "Your session has ended" in ended.text
    assert "Your changes are not saved yet" in ended.text
    assert token not in dict(hidden(ended.text))["kept"]
    back = sign_in(as_ana, ended.text)
    assert back.status_code == 200
    assert "You are signed in as Ana" in back.text
    assert not Site.select().exists()
    fields = dict(hidden(back.text.split('action="/sites/new"', 1)[1]))
    assert {name: fields[name] for name in TYPED} == TYPED
    assert as_ana.post("/sites/new", data=fields).status_code == 303
    site = Site.get()
    assert (site.name, site.client.name) == ("Café <Rosa>", "Rosa & Söhne")


def test_all_checkboxes_and_the_address_are_kept(as_ana, today):
    as_ana.token()
    end_session()
    path = f"/sites/{today.id}/component/hold?x=1"
    ended = as_ana.post(path, data={"want": ["1|plugin|5.3.1|a", "1|plugin|2|b"], "days": "3"})
    back = sign_in(as_ana, ended.text)
    assert f'action="{path}"' in back.text
    sent = hidden(back.text)
    assert [value for name, value in sent if name == "want"] == ["1|plugin|5.3.1|a", "1|plugin|2|b"]


def test_a_wrong_password_does_not_lose_the_form(as_ana, jobs):
    as_ana.token()
    end_session()
    ended = as_ana.post("/sites/new", data=TYPED)
    again = sign_in(as_ana, ended.text, password="not that one, surely")
    assert again.status_code == 422
    assert "rosa.example" in sign_in(as_ana, again.text).text


def test_another_person_continues_with_their_own_name_and_role(as_ana, cleo, jobs):
    as_ana.token()
    end_session()
    ended = as_ana.post("/sites/new", data=TYPED)
    back = sign_in(as_ana, ended.text, email="cleo@agency.example")
    assert "You are signed in as Cleo" in back.text
    assert as_ana.post("/sites/new", data=dict(TYPED)).status_code == 403
    assert not Client.select().exists()


@pytest.mark.parametrize(
    "form",
    [
        {"present": PASSWORD, "new": "another long password", "again": "another long password"},
        {"name": "x" * 30000},
    ],
)
def test_the_page_says_that_passwords_and_long_forms_are_not_kept(as_ana, form):
    as_ana.token()
    end_session()
    path = "/account/password" if "new" in form else "/sites/new"
    ended = as_ana.post(path, data=form)
    assert "fill in the form again" in ended.text
    assert "kept" not in dict(hidden(ended.text))
    assert form.get("new", "x" * 200) not in ended.text


def test_the_requested_page_opens_after_signing_in(as_ana):
    end_session()
    answer = as_ana.get("/updates")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/sign-in?next=/updates")
    assert "Your session has ended" in as_ana.get(answer.headers["Location"]).text
    assert "Your session has ended" not in as_ana.get("/sign-in").text


def test_an_open_page_says_that_the_session_ended_and_stays(as_ana, paired):
    end_session()
    answer = as_ana.get(
        f"/sites/{paired.id}/progress?seen=healthy",
        headers={"HX-Request": "true", "HX-Current-URL": f"http://localhost/sites/{paired.id}"},
    )
    # Status 286 makes htmx stop polling.
    assert (answer.status_code, answer.headers["HX-Retarget"]) == (286, "#session-note")
    assert "HX-Redirect" not in answer.headers
    assert f'href="/sign-in?next=/sites/{paired.id}"' in answer.text


@pytest.mark.parametrize("kept", ["", "x", "[]", '["/", 1]', '["/", [[1, 2]]]', '["/", [["a"]]]'])
def test_an_invalid_kept_form_is_ignored(anonymous, ana, kept):
    data = {"email": "ana@agency.example", "password": PASSWORD, "kept": kept}
    assert anonymous.post("/sign-in", data=data).status_code == 303


@pytest.mark.parametrize("path", ["//evil.example", "https://evil.example", "javascript:x"])
def test_a_kept_form_goes_nowhere_but_to_aura(anonymous, ana, path):
    data = {"email": "ana@agency.example", "password": PASSWORD, "kept": f'["{path}", []]'}
    assert 'action="/"' in anonymous.post("/sign-in", data=data).text


def test_a_stranger_is_only_asked_to_sign_in(anonymous, ana):
    assert anonymous.post("/sites/new", data=TYPED).status_code == 303
