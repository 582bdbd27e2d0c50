"""Store the agency's notes about sites and clients, and whom to contact there."""

from __future__ import annotations

import pytest

from app.domain.audit.documents import entry_document
from app.domain.errors import Conflict, Forbidden, Invalid
from app.domain.sites import clients, notes, sites
from app.domain.sites.clients import Contact
from app.models.audit import AuditEntry
from app.models.clients import Client

pytestmark = pytest.mark.both_databases

MARGARET = Contact("Margaret Hale", "margaret@harbour.example", "+44 20 5550 0119")


@pytest.fixture
def client(database):
    return Client.named("Harbour Ltd")


def entries(event):
    return [entry_document(entry) for entry in reversed(AuditEntry.newest(event=event))]


def test_notes_of_a_site_are_kept_with_their_author(site, ben, clock):
    notes.set_site_notes(site, "Call first.\r\nNo Elementor 4. ", by=ben, now=clock())
    site.refresh()
    assert (site.notes, site.notes_by) == ("Call first.\nNo Elementor 4.", "Ben")
    assert site.notes_at == clock()
    notes.set_site_notes(site, "Call first.\nNo Elementor 4.", by=ben, now=clock())
    notes.set_site_notes(site, "", by=ben, now=clock())
    assert [entry["facts"] for entry in entries("site_notes_changed")] == [
        {"length": 27},
        {"length": 0},
    ]


def test_notes_of_a_client_are_kept_and_their_text_is_not_in_the_log(client, ben, clock):
    """The client may read the entries about itself."""
    notes.set_client_notes(client, "Pays late.", by=ben, now=clock())
    assert (client.notes, client.notes_by) == ("Pays late.", "Ben")
    (entry,) = entries("client_notes_changed")
    assert entry["client"] == client.id
    assert entry["facts"] == {"client": "Harbour Ltd", "length": 10}


def test_notes_have_a_limit_and_need_a_site(site, ana, ben, cleo, clock):
    with pytest.raises(Invalid):
        notes.set_site_notes(site, "x" * (notes.MAX_NOTES_CHARS + 1), by=ben, now=clock())
    with pytest.raises(Forbidden):
        notes.set_site_notes(site, "x", by=cleo, now=clock())
    sites.remove_site(site, by=ana, now=clock())
    with pytest.raises(Conflict):
        notes.set_site_notes(site, "x", by=ben, now=clock())


def test_the_contact_is_stored_and_the_log_names_only_the_fields(client, ben, clock):
    clients.set_contact(client, MARGARET, by=ben, now=clock())
    assert client.contact_email == "margaret@harbour.example"
    clients.set_contact(client, MARGARET, by=ben, now=clock())
    clients.set_contact(client, Contact("Margaret Hale"), by=ben, now=clock())
    assert [entry["facts"]["fields"] for entry in entries("client_contact_changed")] == [
        "name, email, phone",
        "email, phone",
    ]
    assert not any("Margaret" in entry.body for entry in AuditEntry.select())


@pytest.mark.parametrize(
    ("contact", "field"),
    [
        (Contact("x" * 121), "contact_name"),
        (Contact(contact_email="margaret"), "contact_email"),
        (Contact(contact_email="a@b c"), "contact_email"),
        (Contact(contact_phone="call me"), "contact_phone"),
        (Contact(contact_phone="1" * 41), "contact_phone"),
    ],
)
def test_an_invalid_contact_is_refused(client, ben, clock, contact, field):
    with pytest.raises(Invalid) as refused:
        clients.set_contact(client, contact, by=ben, now=clock())
    assert list(refused.value.messages) == [field]
    assert client.contact_name == ""


def test_a_viewer_cannot_change_a_contact(client, cleo, clock):
    with pytest.raises(Forbidden):
        clients.set_contact(client, MARGARET, by=cleo, now=clock())
