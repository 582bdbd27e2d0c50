"""Store the name and password that a server asks for before WordPress answers."""

from __future__ import annotations

import pytest

from app.domain.connection import calls
from app.keys import SealBroken
from app.models.audit import AuditEntry
from app.models.sites import Site
from tests.support.factories import make_site

TYPED = {"login_name": "staging", "login_password": "let me in, please"}


def test_the_login_is_stored_encrypted_and_used(as_ben, paired, config):
    response = as_ben.post(f"/sites/{paired.id}/server-login", data=TYPED)
    assert response.status_code == 303
    site = Site.get_by_id(paired.id)
    assert "let me in" not in site.server_login_sealed
    assert calls.server_login(site, config) == "staging:let me in, please"
    assert calls.channel_to(site, config).server_login == "staging:let me in, please"


def test_the_login_is_neither_shown_nor_in_the_audit_log(as_ben, paired):
    as_ben.post(f"/sites/{paired.id}/server-login", data=TYPED)
    pages = [f"/sites/{paired.id}/connection", f"/sites/{paired.id}/server-login", "/activity"]
    assert not any("let me in" in as_ben.get(page).text for page in pages)
    assert "saved (encrypted)" in as_ben.get(f"/sites/{paired.id}/connection").text
    entry = AuditEntry.newest(limit=1)[0]
    assert entry.event == "server_login_changed"
    assert "staging" not in entry.body


def test_two_empty_fields_remove_the_login(as_ben, paired):
    as_ben.post(f"/sites/{paired.id}/server-login", data=TYPED)
    as_ben.post(f"/sites/{paired.id}/server-login", data={})
    assert Site.get_by_id(paired.id).server_login_sealed is None


def test_the_login_of_another_row_cannot_be_decrypted(as_ben, paired, config):
    as_ben.post(f"/sites/{paired.id}/server-login", data=TYPED)
    site = Site.get_by_id(paired.id)
    site.id += 1
    with pytest.raises(SealBroken):
        calls.server_login(site, config)


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"login_name": "a:b", "login_password": "x"}, "login_name"),
        ({"login_name": "", "login_password": "x"}, "login_name"),
        ({"login_name": "a", "login_password": ""}, "login_password"),
        ({"login_name": "a", "login_password": "x" * 201}, "login_password"),
    ],
)
def test_an_invalid_login_is_an_error_at_its_field(as_ben, paired, typed, field):
    response = as_ben.post(f"/sites/{paired.id}/server-login", data=typed)
    assert response.status_code == 422
    assert f'id="f-{field}-error"' in response.text
    assert Site.get_by_id(paired.id).server_login_sealed is None


def test_an_unencrypted_address_gets_a_warning(as_ben, ana, clock, jobs):
    site = make_site(ana, now=clock(), url="http://plain.example")
    assert "not encrypted" in as_ben.get(f"/sites/{site.id}/server-login").text
