"""Choose how often a site is checked, and what its page must contain."""

from __future__ import annotations

from datetime import datetime

from app.domain import audit, permissions
from app.domain.actor import Actor
from app.domain.audit.events import UptimeSettingsChanged
from app.domain.errors import Conflict, Invalid
from app.domain.text import has_hidden_characters
from app.models.sites import Site
from app.models.uptime import NOTHING_FOUND, Outage, SiteWatch

# Minutes between two checks; 0 turns them off.
CHOICES = (1, 2, 3, 5, 10, 15, 0)
MAX_PHRASE_CHARS = 200


def change_settings(
    site: Site, *, every_minutes: int, phrase: str, by: Actor, now: datetime
) -> None:
    """Save the settings; the next check is at once. Turning checks off ends an open outage.

    Raises: Forbidden, Conflict, or Invalid('every_minutes' | 'phrase', …).
    """
    permissions.require(by, "pair")
    phrase = " ".join(phrase.split())
    _check(every_minutes, phrase)
    with permissions.user_transaction(by, "pair", site) as (_, by):
        site.refresh()
        if site.forgotten_at:
            raise Conflict("This site was removed from Aura.")
        SiteWatch.add_missing(now)
        watch = SiteWatch.of(site.id)
        if watch is None:
            raise Conflict("Connect this site first. Aura checks connected sites only.")
        if (watch.every_minutes, watch.phrase) == (every_minutes, phrase):
            return
        _save(watch, every_minutes, phrase, now)
        event = UptimeSettingsChanged(site_id=site.id, every_minutes=every_minutes, phrase=phrase)
        audit.record(event, by, now=now)


def _check(every_minutes: int, phrase: str) -> None:
    problems = {}
    if every_minutes not in CHOICES:
        problems["every_minutes"] = "Choose one of the intervals."
    if len(phrase) > MAX_PHRASE_CHARS:
        problems["phrase"] = f"At most {MAX_PHRASE_CHARS} characters."
    elif has_hidden_characters(phrase):
        problems["phrase"] = "Remove characters that are invisible or change the text direction."
    Invalid.raise_for(problems)


def _save(watch: SiteWatch, every_minutes: int, phrase: str, now: datetime) -> None:
    columns = {"every_minutes": every_minutes, "phrase": phrase, "next_check_at": now}
    if every_minutes == 0:
        # What is not checked any more needs no one.
        Outage.end(watch.site_id, now)
        columns |= {**NOTHING_FOUND, "certificate_ends_at": None, "certificate_problem": ""}
    watch.update_if(**columns)
