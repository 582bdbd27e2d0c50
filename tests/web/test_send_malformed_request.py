"""A malformed request is refused and never causes an internal error."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from app.models.accounts import UserSession
from app.models.base import utcnow
from app.models.sites import Site

# urlsplit() raises ValueError for this text.
BROKEN_URL = "http://["


def test_a_refresh_may_name_an_invalid_address(anonymous: Any, paired: Site) -> None:
    headers = {"HX-Request": "true", "HX-Current-URL": BROKEN_URL}
    answer = anonymous.get(f"/sites/{paired.id}/progress", headers=headers)
    assert answer.status_code == 286
    assert 'href="/sign-in"' in answer.text


def test_the_referrer_may_be_an_invalid_address(as_ana: Any, ana: Any) -> None:
    UserSession.update(confirmed_at=utcnow() - timedelta(hours=1)).execute()
    answer = as_ana.post("/activity/exports", data={"form": "zip"}, headers={"Referer": BROKEN_URL})
    assert answer.status_code == 403
    assert 'name="back" value="/"' in answer.text


@pytest.mark.parametrize("query", ["a=%00", "a=1"])
def test_another_host_is_refused_whatever_else_is_wrong(anonymous: Any, query: str) -> None:
    answer = anonymous.get(f"/sign-in?{query}", headers={"Host": "evil.example"})
    assert answer.status_code == 400
    assert answer.text == "Aura does not answer at this host name.\n"


def test_a_body_without_its_length_is_refused_unread(anonymous: Any) -> None:
    class Unread:
        def read(self, *_: Any) -> bytes:
            raise AssertionError("the body was read")

        readline = __iter__ = read

    answer = anonymous.open(
        "/sign-in",
        method="POST",
        headers={"Transfer-Encoding": "chunked"},
        environ_overrides={"wsgi.input": Unread(), "wsgi.input_terminated": True},
    )
    assert answer.status_code == 411


@pytest.mark.parametrize("path", ["/sign-in", "/", "/nothing"])
def test_a_query_that_is_not_utf_8_is_refused(anonymous: Any, path: str) -> None:
    answer = anonymous.get(path, environ_overrides={"QUERY_STRING": "a=\xff\xfe"})
    assert answer.status_code == 400
