"""Connect a site without its forms, and send it signed requests."""

from __future__ import annotations

import json
import time
from typing import Any

import requests

from app import protocol
from tests.plugin.support.dashboard import ORIGIN, Paired, new_token, pair

UNAUTHORIZED = {"siteagent": 1, "code": "unauthorized"}


def connect(wp, origin: str = ORIGIN) -> Paired:
    """Connect a site as an administrator does, without the forms."""
    token = new_token(wp.url, origin=origin)
    accept = "$p = siteagent()->pairing(); $p->accept($p->read_token('%s'), true, 'user:1');"
    wp.evaluate(accept % token.text())
    return pair(token)


def sign(paired: Paired, document: dict[str, Any] | bytes, **changed: Any) -> protocol.SentRequest:
    """Return a request with a valid signature over any body."""
    body = document if isinstance(document, bytes) else protocol.canonical(document)
    channel = paired.channel
    options = {
        "key": channel.send_key,
        "keyid": channel.keyid,
        "created": int(time.time()),
        "nonce": protocol.new_nonce(),
    }
    url = changed.pop("url", channel.endpoint)
    return protocol.sign_request(url, body, **{**options, **changed})


def ping(paired: Paired, **changed: Any) -> protocol.SentRequest:
    return sign(paired, {"v": 1, "op": "ping", "by": "Ben"}, **changed)


def send(sent: protocol.SentRequest, **changed: Any) -> requests.Response:
    options = {"url": sent.url, "data": sent.body, "headers": sent.headers, "method": "POST"}
    return requests.request(**{**options, **changed}, timeout=30, allow_redirects=False)


def document_of(paired: Paired, sent: protocol.SentRequest, answer: requests.Response) -> Any:
    """Verify the signature of a response; return its document."""
    protocol.verify_response(
        sent,
        status=answer.status_code,
        headers=answer.headers,
        body=answer.content,
        key=paired.channel.receive_key,
    )
    return json.loads(answer.content)


def refused_as(code: str, paired: Paired, sent: protocol.SentRequest, **changed: Any) -> Any:
    answer = document_of(paired, sent, send(sent, **changed))
    assert answer["ok"] is False
    assert answer["error"]["code"] == code
    return answer["error"]


def is_turned_away(answer: requests.Response) -> bool:
    """Return whether a response is the unsigned 401 for every invalid request, without a reason."""
    return (
        answer.status_code == 401
        and answer.json() == UNAUTHORIZED
        and not protocol.is_signed(answer.headers)
        and "Set-Cookie" not in answer.headers
    )


def forget(wp) -> None:
    """End the connection or pairing as an administrator does, and delete pasted tokens."""
    wp.evaluate(
        """
        $state = siteagent()->connection_store()->state();
        if ('waiting' === $state) {
            siteagent()->pairing()->cancel('site');
        } elseif ('unpaired' !== $state) {
            siteagent()->pairing()->disconnect('site');
        }
        foreach (get_users(array('fields' => 'ids')) as $id) {
            delete_site_transient('siteagent_draft_' . $id);
            delete_site_transient('siteagent_flash_' . $id);
        }
        """
    )
