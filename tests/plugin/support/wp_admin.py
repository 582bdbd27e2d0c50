"""wp-admin as a person uses it, without a browser: sign in, read a page, send a form."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field

import requests

_FORM = re.compile(r"<form[^>]*>.*?</form>", re.DOTALL)
_HIDDEN = re.compile(r'<input type="hidden"[^>]*name="([^"]+)"[^>]*value="([^"]*)"')


@dataclass
class Person:
    """A person with a browser session; a visitor if `login` is empty.

    `screen` is the admin page of SiteAgent's settings, which differs for a network.
    """

    url: str
    login: str = ""
    password: str = ""
    screen: str = "options-general.php"
    session: requests.Session = field(default_factory=requests.Session, repr=False)

    def __post_init__(self) -> None:
        if not self.login:
            return
        # Without the form's field `testcookie`, WordPress needs no cookie of an earlier page.
        answer = self.session.post(
            f"{self.url}/wp-login.php",
            data={"log": self.login, "pwd": self.password},
            allow_redirects=False,
            timeout=30,
        )
        assert answer.status_code == 302, f"{self.login} could not sign in"

    def page(self, query: str = "", **options: object) -> requests.Response:
        """Request SiteAgent's settings screen."""
        address = f"{self.url}/wp-admin/{self.screen}?page=siteagent{query}"
        return self.session.get(address, timeout=60, **options)

    def send(self, action: str, **fields: str) -> requests.Response:
        """Send a form with exactly these fields, including the nonce."""
        return self.session.post(
            f"{self.url}/wp-admin/admin-post.php",
            data={"action": action, **fields},
            allow_redirects=False,
            timeout=60,
        )

    def submit(self, page: str, action: str, **fields: str) -> str:
        """Submit the form for `action` on `page`; return the page that follows."""
        answer = self.send(action, **{**hidden(page, action), **fields})
        assert answer.status_code == 303, f"{answer.status_code} {words(answer.text)}"
        followed = self.session.get(answer.headers["Location"], timeout=60)
        assert followed.status_code == 200
        return followed.text


def hidden(page: str, action: str) -> dict[str, str]:
    """Return the hidden fields of the form for `action`, including the nonce."""
    for form in _FORM.findall(page):
        fields = {name: html.unescape(value) for name, value in _HIDDEN.findall(form)}
        if fields.get("action") == action:
            return {name: value for name, value in fields.items() if name != "action"}
    raise AssertionError(f"there is no form for {action} on this page: {words(page)}")


def words(page: str) -> str:
    """Return the visible text of a page in one line."""
    inside = page.split('<div class="wrap siteagent">')[-1].split('<div id="wpfooter"')[0]
    text = html.unescape(re.sub(r"<[^>]+>", " ", inside))
    return re.sub(r"\s+", " ", text).strip()
