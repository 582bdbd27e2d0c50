"""Run one connection test: request the site in several ways, then diagnose."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import partial

from app.config import Config
from app.domain.connection.calls import FALLBACK_ERRORS, Call, CallResult, call_site
from app.domain.connection.handshake import candidates
from app.domain.diagnostics import anonymous_probe, diagnosis
from app.domain.diagnostics.anonymous_probe import AnonymousClient, LookCall
from app.domain.diagnostics.observations import (
    MAX_INDEX_BYTES,
    Observations,
    answering_at,
    lists_siteagent,
)
from app.domain.diagnostics.results import BLOCKED, NAMES, Diagnosis, skipped
from app.http import site_client
from app.http.site_client import Channel, ErrorCode, ProbeResponse
from app.models.base import utcnow

_INDEX_PATHS = ("/wp-json/?_fields=namespaces", "/?rest_route=/&_fields=namespaces")


def examine(
    url: str,
    *,
    channel: Channel | None = None,
    server_login: str = "",
    by: str,
    config: Config,
    call: Call = site_client.call,
    look: LookCall = site_client.probe,
    now: Callable[[], datetime] = utcnow,
) -> tuple[Diagnosis, list[CallResult]]:
    """Find what blocks the connection to the site at `url` (as returned by `normalize_url`).

    With the `channel` of a paired site, also make the signed call and, if it is answered, request
    the site data; return the results of both. `server_login` is for a web server with a password.
    Nothing that a site does raises, and the time of a job is enough.
    """
    stranger = AnonymousClient(look, config.allow_nets, server_login, now)
    home = stranger.get(f"{url}/")
    checks = diagnosis.network_checks(home, now())
    ended = next((check for check in checks if check.verdict == BLOCKED), None)
    if ended is not None:
        checks += skipped(NAMES[len(checks) :], ended.name)
        return Diagnosis(url, now(), channel is not None, tuple(checks), stranger.requests), []
    addresses = _addresses(url, channel)
    index = _index(stranger, url)
    sent = {name: stranger.send_call(address) for name, address in addresses.items()}
    outcome = report = None
    if channel is not None:
        ask = partial(call_site, by=by, config=config, call=call, now=now)
        outcome, answering = _echo(channel, [addresses[at] for at in answering_at(sent)], ask)
        if outcome.reply is not None:
            report = ask(answering, "report", {"have": None})
    headers, body = _fates(stranger, addresses, sent, outcome)
    observed = Observations(
        url=url,
        now=now(),
        home=home,
        index=index,
        unknown_calls=sent,
        in_use=_name_of(channel.endpoint) if channel else "",
        outcome=outcome,
        report=report,
        header_fates=headers,
        body_fate=body,
    )
    checks += diagnosis.diagnose(observed)
    signed_calls = [result for result in (outcome, report) if result is not None]
    requests = stranger.requests + len(signed_calls)
    return Diagnosis(url, observed.now, channel is not None, tuple(checks), requests), signed_calls


def _echo(
    channel: Channel, others: list[str], ask: Callable[..., CallResult]
) -> tuple[CallResult, Channel]:
    """Make the signed call at the known address and, if it fails there, where probes were answered.

    Return the result of the first call unless another one succeeded, and its channel.
    """
    first = ask(channel, "ping", {})
    for endpoint in others:
        if first.error_code not in FALLBACK_ERRORS:
            break
        if endpoint != channel.endpoint:
            elsewhere = replace(channel, endpoint=endpoint)
            outcome = ask(elsewhere, "ping", {})
            if outcome.reply is not None:
                return outcome, elsewhere
    return first, channel


def _addresses(url: str, channel: Channel | None) -> dict[str, str]:
    """Return SiteAgent's possible addresses by check name, with the connection's own address."""
    listed = (*candidates(url), *((channel.endpoint,) if channel else ()))
    return {_name_of(address): address for address in listed}


def _name_of(endpoint: str) -> str:
    if "admin-ajax.php" in endpoint:
        return "ajax"
    return "plain" if re.search(r"[?&]rest_route=", endpoint) else "pretty"


def _index(stranger: AnonymousClient, url: str) -> tuple[ProbeResponse, ...]:
    """Request the REST index at its pretty address and, without SiteAgent there, the plain one."""
    looks: list[ProbeResponse] = []
    for path in _INDEX_PATHS:
        looks.append(stranger.get(f"{url}{path}", MAX_INDEX_BYTES))
        if lists_siteagent(looks[-1]):
            break
    return tuple(looks)


def _fates(
    stranger: AnonymousClient,
    addresses: dict[str, str],
    unknown_calls: dict[str, ProbeResponse],
    outcome: CallResult | None,
) -> tuple[dict[str, str] | None, str]:
    """Return what happens to headers and body on the way, if the signed call does not show it."""
    answering = answering_at(unknown_calls)
    is_answered = outcome is not None and outcome.error_code != ErrorCode.unauthorized
    if not answering or is_answered:
        return None, ""
    address = addresses[answering[0]]
    headers = anonymous_probe.check_headers_arrive(stranger, address)
    return headers, anonymous_probe.check_body_arrives(stranger, address)
