"""Request a site's front page as a visitor, and classify the answer."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from app.config import Config
from app.domain.changes.outcomes import COULD_NOT_TELL, FATAL, OK
from app.domain.connection import calls
from app.domain.diagnostics import responses
from app.domain.page_checks import structure
from app.http import site_client
from app.http.site_client import ProbeResponse
from app.models.sites import Site

LookCall = Callable[..., ProbeResponse]

MAX_BYTES = 256 * 1024
# A page may fail for a moment, so only the same answer twice counts against a site.
LOOKS = 2
PROBE_TIMEOUT_S = 12.0
_HEADERS = {"Accept": "text/html", "Accept-Encoding": "identity", "Cache-Control": "no-cache"}


def probe_site(
    site: Site, *, config: Config, look: LookCall = site_client.probe, now: Callable[[], datetime]
) -> dict[str, Any]:
    """Request the front page as an anonymous visitor; raise nothing that a site can cause."""
    seen = look(
        f"{site.url}/",
        headers=_HEADERS,
        allow_nets=config.allow_nets,
        server_login=calls.visitor_login(site, config),
        max_bytes=MAX_BYTES,
        deadline_s=PROBE_TIMEOUT_S,
    )
    return {"at": now().isoformat(), **classify_response(seen)}


def judge_site(
    site: Site, *, config: Config, look: LookCall = site_client.probe, now: Callable[[], datetime]
) -> str:
    """Return what the front page shows: OK, or what it also shows at a second look."""
    answer = ""
    for _ in range(LOOKS):
        answer = probe_site(site, config=config, look=look, now=now)["answer"]
        if answer == OK:
            break
    return answer


def classify_response(seen: ProbeResponse) -> dict[str, Any]:
    """Classify a page as working, broken or inconclusive.

    A cache, a captcha or a redirect proves neither that a page works nor that it broke.
    """
    received = seen.received
    if received is None:
        return {"answer": COULD_NOT_TELL, "why": str(seen.error.error_code) if seen.error else ""}
    status: dict[str, Any] = {"status": received.status}
    if received.is_encoded:
        return {"answer": COULD_NOT_TELL, "why": "encoded", **status}
    if responses.is_from_cache(received):
        return {"answer": COULD_NOT_TELL, "why": "cached", **status}
    if structure.is_broken(received):
        return {"answer": FATAL, "why": "broken", **status}
    in_front = responses.classify_intermediary(received)
    if in_front is not None:
        return {"answer": COULD_NOT_TELL, "why": str(in_front.finding), **status}
    if received.status == 200 and received.is_html:
        return {"answer": OK, "why": "page", **status}
    return {"answer": COULD_NOT_TELL, "why": "no_page", **status}
