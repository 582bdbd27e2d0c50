"""Answers of an OpenID provider that are not a JSON object."""

from __future__ import annotations

import pytest

from app.http import openid
from app.http.connection_trace import Trace
from app.http.response import RawResponse
from app.http.site_client import ProbeResponse


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b'"{"', b"{", b'{"issuer":"\xff"}', b'{"issuer":' + b"[" * 100_000],
    ids=["nothing", "null", "a list", "a text", "a part", "no UTF-8", "nested without end"],
)
def test_an_answer_that_is_no_json_object_is_refused_with_a_reason(body: bytes) -> None:
    def probe(url: str, **_: object) -> ProbeResponse:
        received = RawResponse(200, {}, body, False, openid.MAX_BYTES, "192.0.2.9", ())
        return ProbeResponse(url, Trace(), received=received)

    with pytest.raises(openid.ProviderError, match="did not answer with JSON"):
        openid.discover("https://login.agency.example", allow_nets=(), probe=probe)
