"""Notes of the agency about a site or a client: free text that its client never sees."""

from __future__ import annotations

from datetime import datetime

from app.domain import audit, permissions
from app.domain.actor import Actor
from app.domain.audit.events import ClientNotesChanged, SiteNotesChanged
from app.domain.errors import Conflict, Invalid
from app.models.clients import Client
from app.models.sites import Site

MAX_NOTES_CHARS = 4000


def set_site_notes(site: Site, text: str, *, by: Actor, now: datetime) -> None:
    """Replace the notes about a site; an empty text deletes them.

    Raises: Forbidden, Invalid('notes', …), or Conflict if the site was removed.
    """
    text = _clean(text)
    with permissions.user_transaction(by, "pair", site) as (_, by):
        site.refresh()
        if site.notes == text:
            return
        if not site.set_notes(text, by=by.name, now=now):
            raise Conflict("This site was removed from Aura.")
        audit.record(SiteNotesChanged(site_id=site.id, length=len(text)), by, now=now)


def set_client_notes(client: Client, text: str, *, by: Actor, now: datetime) -> None:
    """Replace the notes about a client; an empty text deletes them.

    Raises: Forbidden or Invalid('notes', …).
    """
    text = _clean(text)
    with permissions.user_transaction(by, "pair", client) as (_, by):
        client.refresh()
        if client.notes == text:
            return
        client.set_notes(text, by=by.name, now=now)
        event = ClientNotesChanged(client_id=client.id, client=client.name, length=len(text))
        audit.record(event, by, now=now)


def _clean(text: str) -> str:
    # Browsers send the line breaks of a textarea as CR LF.
    text = text.replace("\r\n", "\n").strip()
    if len(text) > MAX_NOTES_CHARS:
        raise Invalid("notes", f"At most {MAX_NOTES_CHARS} characters.")
    return text
