"""Which registry answers for a domain (RFC 9224), and what its answer says (RFC 9083).

IANA's list is fetched once a month and kept in a file. Not every registry is in it: that of `.de`
publishes no end of a registration at all.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from app.config import Config
from app.http.registry import RegistryFailed

LIST_URL = "https://data.iana.org/rdap/dns.json"
_LIST_EVERY = timedelta(days=30)
# Fewer are no list of all registries. There are about 1200.
_FEWEST = 100
_EXPIRATION = "expiration"

Fetch = Callable[..., dict[str, Any]]

_log = logging.getLogger(__name__)


def read_registries(config: Config, fetch: Fetch, now: datetime) -> dict[str, str]:
    """Return the address of the registry by top-level domain, from a file or from IANA.

    If the list cannot be renewed, the old one is good enough. Raises: RegistryFailed without any.
    """
    file = config.var_dir / "registries.json"
    kept, changed_at = _kept(file)
    if kept and now - changed_at < _LIST_EVERY:
        return kept
    try:
        found = parse_registries(fetch(LIST_URL, allow_nets=config.allow_nets))
    except RegistryFailed:
        if kept:
            return kept
        raise
    part = file.with_suffix(".part")
    try:
        part.write_text(json.dumps({"fetched_at": now.isoformat(), "registries": found}), "utf-8")
        part.replace(file)
    except OSError:
        # A full disk is no reason to leave domains unasked. The next job fetches the list again.
        _log.exception("The list of registries could not be stored.")
    return found


def _kept(file: Path) -> tuple[dict[str, str], datetime]:
    """Return the kept list and when it was fetched; an empty one if there is none."""
    try:
        document = json.loads(file.read_text("utf-8"))
        return document["registries"], datetime.fromisoformat(document["fetched_at"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return {}, datetime.min.replace(tzinfo=UTC)


def parse_registries(document: dict[str, Any]) -> dict[str, str]:
    """Return the first https address of each top-level domain in IANA's list.

    Raises: RegistryFailed if that is not the list.
    """
    found: dict[str, str] = {}
    try:
        for names, addresses in document["services"]:
            address = next((one for one in addresses if _is_usable(one)), None)
            if address:
                found |= {str(name).lower(): address.rstrip("/") for name in names}
    except (KeyError, ValueError, TypeError, AttributeError) as why:
        raise RegistryFailed("unreadable") from why
    if len(found) < _FEWEST:
        raise RegistryFailed("unreadable")
    return found


def _is_usable(address: str) -> bool:
    parts = urlsplit(address)
    return parts.scheme == "https" and bool(parts.hostname) and not parts.query


def end_in(document: dict[str, Any], domain: str) -> datetime | None:
    """Return when the registration ends, by a registry's answer; None if it does not say.

    Raises: RegistryFailed if the answer is not about this domain.
    """
    is_domain = document.get("objectClassName") == "domain"
    if not is_domain or str(document.get("ldhName", "")).rstrip(".").lower() != domain:
        raise RegistryFailed("unreadable")
    events = document.get("events")
    for event in events if isinstance(events, list) else []:
        if isinstance(event, dict) and event.get("eventAction") == _EXPIRATION:
            return _moment(event.get("eventDate"))
    return None


def _moment(text: Any) -> datetime | None:
    """Return a time of RFC 3339; a date alone is midnight in UTC."""
    try:
        at = datetime.fromisoformat(str(text))
        aware = at if at.tzinfo else at.replace(tzinfo=UTC)
        return aware.astimezone(UTC)
    except (ValueError, OverflowError) as why:
        raise RegistryFailed("unreadable") from why
