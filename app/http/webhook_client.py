"""Post one message to a webhook, with the guarded connections of calls to sites."""

from __future__ import annotations

import contextlib
import socket
from dataclasses import dataclass

import requests
import urllib3

from app.http import connection_errors, egress
from app.http.errors import CallError, ErrorCode, Trait
from app.http.ip_policy import Network

DEADLINE_S = 15.0
# More than people are shown. What follows is not read.
MAX_BYTES = 4 * 1024


@dataclass(frozen=True)
class WebhookReply:
    """The status of a reply, the beginning of its body, and its `Retry-After` as it came."""

    status: int
    body: bytes = b""
    retry_after: str = ""


def post(
    url: str,
    headers: dict[str, str],
    body: bytes,
    *,
    allow_nets: tuple[Network, ...],
    deadline_s: float = DEADLINE_S,
    ca_file: str | None = None,
    resolve: egress.Resolver = socket.getaddrinfo,
) -> WebhookReply:
    """Send a message with TLS; return the reply, also a redirect, which is not followed.

    Raises: CallError if there is no reply. `may_have_arrived` tells whether anything was sent.
    """
    if not url.startswith("https://"):
        raise CallError(ErrorCode.address_refused, {"detail": "only https is allowed"})
    limits = egress.Limits(total_s=deadline_s, between_bytes_s=deadline_s)
    headers = {**headers, "Accept-Encoding": "identity"}
    with egress.session(allow_nets, limits=limits, ca_file=ca_file, resolve=resolve) as session:
        try:
            with session.post(url, data=body, headers=headers, stream=True) as response:
                retry_after = response.headers.get("Retry-After", "")
                return WebhookReply(response.status_code, _beginning(response), retry_after)
        except egress.EgressError as why:
            raise connection_errors.not_connected(why) from why
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as why:
            raise connection_errors.broken_off(why, session.guard.address) from why


def may_have_arrived(why: CallError) -> bool:
    """Whether a message that got no reply may have been received."""
    return Trait.NOTHING_SENT not in why.error_code.traits


def _beginning(response: requests.Response) -> bytes:
    """Return what comes of the body in time; the status was read already, and decides alone."""
    content = b""
    with contextlib.suppress(urllib3.exceptions.HTTPError, OSError):
        while len(content) < MAX_BYTES:
            chunk = response.raw.read(MAX_BYTES - len(content), decode_content=False)
            if not chunk:
                break
            content += chunk
    return content
