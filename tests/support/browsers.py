"""Browsers that keep cookies and send forms as a page does."""

from __future__ import annotations

import re
from typing import Any

from flask import Flask
from flask.testing import FlaskClient

from app.domain.accounts import sessions
from app.domain.accounts.login_throttle import ClientInfo
from app.domain.actor import Actor
from app.models.accounts import User
from app.models.base import utcnow

_CSRF = re.compile(r'name="csrf_token" value="([^"]+)"')


class Person(FlaskClient):
    """A test client that sends forms as a browser does.

    `post` sends the token of a form that was served, and the header that names its origin.
    """

    _token = ""

    def post(self, path: str, *, data: dict[str, Any] | None = None, **more: Any) -> Any:
        headers = {"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}
        headers |= more.pop("headers", {})
        form = {"csrf_token": self.token(), **(data or {})}
        return super().post(path, data=form, headers=headers, **more)

    def token(self) -> str:
        """Return the CSRF token of this browser, read from a page that has one."""
        if not self._token:
            page = self.get("/account")
            page = self.get("/sign-in") if page.status_code == 303 else page
            self._token = _CSRF.search(page.text).group(1)
        return self._token

    def forget_token(self) -> None:
        """Forget the CSRF token, which changes at sign-in and sign-out."""
        self._token = ""

    def signs_in(self, email: str, password: str, **more: str) -> Any:
        answer = self.post("/sign-in", data={"email": email, "password": password, **more})
        self.forget_token()
        return answer


def signed_in(app: Flask, actor: Actor, agent: str = "Firefox/150 (Linux)") -> Person:
    """Return a signed-in browser, without hashing a password."""
    user = User.get_by_id(actor.id)
    opened = sessions.start_session(user, ClientInfo(actor.ip, agent), now=utcnow())
    person: Any = app.test_client()
    with person.session_transaction() as cookie:
        cookie["_user_id"] = opened.ticket
    person.environ_base["REMOTE_ADDR"] = actor.ip
    return person
