"""Long text in any form is refused before it takes long to process."""

from __future__ import annotations

import unicodedata
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask

from app.config import Config
from app.domain import alerts
from app.domain.accounts import one_time_links, passwords
from app.domain.actor import SYSTEM, Actor
from app.domain.errors import Invalid
from app.domain.sites import tag_names, urls
from app.models.alerts import Alert
from app.models.base import transaction, utcnow
from app.models.changes import Change
from app.models.clients import Client
from app.models.sites import Site
from tests.support.factories import PASSWORD, make_user
from tests.support.page_forms import Form, forms_of

# The longest text that may ever be normalized: a site's address.
MOST_NORMALIZED = urls.MAX_URL_CHARS
FAR_TOO_MUCH = 3000


def hostile(chars: int) -> str:
    """Return combining marks out of order, which take quadratic time to normalize."""
    half = (chars - 1) // 2
    return "a" + "\u0315" * half + "\u0300" * (chars - 1 - half)


@pytest.fixture
def normalized(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Record the lengths of the texts that are normalized during the test."""
    lengths: list[int] = []
    normalize = unicodedata.normalize

    def count(form: Any, text: str) -> str:
        lengths.append(len(text))
        return normalize(form, text)

    monkeypatch.setattr(unicodedata, "normalize", count)
    return lengths


def send(person: Any, form: Form, name: str, text: str, at: str) -> Any:
    values = {**form.values, name: text}
    values.pop("csrf_token", None)
    if form.method == "get":
        return person.get(form.action or at, query_string=values)
    return person.post(form.action or at, data=values)


def judge_forms(person: Any, path: str, normalized: list[int]) -> int:
    """Type into each field of each form of a page; return the number of fields."""
    page = person.get(path)
    assert page.status_code == 200, path
    fields = 0
    for form in forms_of(page.text):
        for name, limit in form.limits.items():
            fields += 1
            assert limit > 0, f"{path}: {name} has no maxlength"
            for chars in (limit, limit + 1, FAR_TOO_MUCH):
                normalized.clear()
                answer = send(person, form, name, hostile(chars), path)
                assert answer.status_code < 500, (path, name, chars)
                assert max(normalized, default=0) <= MOST_NORMALIZED, (path, name, chars)
                if chars > limit and form.method != "get":
                    assert 400 <= answer.status_code < 500, (path, name, chars)
                    assert answer.status_code != 413, (path, name, chars)
    return fields


@pytest.fixture
def pages(proposed: Change, today: Site, ana: Actor, cleo: Actor) -> list[str]:
    """Return every page on which an owner of the agency can type."""
    client = Client.named("Florist Ltd")
    gone = make_user("Gerd", "viewer", disabled_at=utcnow())
    with transaction():
        alerts.raise_alert(today, alerts.LOG_BROKEN, "1:x", {}, SYSTEM, utcnow())
    return [
        "/",
        "/account",
        "/activity",
        "/activity/exports",
        f"/alerts/{Alert.get().id}",
        f"/changes/{proposed.id}",
        "/updates",
        f"/clients/{client.id}/report",
        "/team",
        f"/team/{gone.id}/erase",
        "/auto-update-rules",
        "/sites/new",
        f"/sites/{today.id}",
        f"/sites/{today.id}/server-login",
        f"/sites/{today.id}/component?kind=plugin&ident=akismet/akismet.php",
    ]


def test_no_form_takes_more_than_its_field_holds(
    as_ana: Any, pages: list[str], normalized: list[int]
) -> None:
    assert sum(judge_forms(as_ana, path, normalized) for path in pages) >= 25


def test_no_form_of_a_stranger_takes_more_than_its_field_holds(
    anonymous: Any, database: Config, normalized: list[int]
) -> None:
    set_up = one_time_links.setup_link(database).removeprefix(database.origin)
    assert judge_forms(anonymous, set_up, normalized) == 4
    invited = make_user("Ben", "operator", password_hash="!")
    invitation = one_time_links.invitation_link(invited, database).removeprefix(database.origin)
    assert judge_forms(anonymous, invitation, normalized) == 2
    assert judge_forms(anonymous, "/sign-in", normalized) == 2


def test_the_current_password_has_a_limit(as_ana: Any, ana: Actor, normalized: list[int]) -> None:
    answer = as_ana.post("/account", data={})
    assert answer.status_code == 405
    normalized.clear()
    answer = as_ana.post(
        "/account/password",
        data={"present": hostile(FAR_TOO_MUCH), "new": "x", "again": "x"},
    )
    assert answer.status_code == 422
    assert max(normalized, default=0) <= passwords.MAX_CHARS


def test_four_hostile_sign_ins_at_once_hold_up_no_other_visitor(
    app: Flask, ana: Actor, normalized: list[int]
) -> None:
    """Python holds the lock of its process while it normalizes, and other threads wait. So no
    long text may be normalized at all."""
    browsers: list[Any] = [app.test_client() for _ in range(5)]
    for browser in browsers:
        browser.token()
    normalized.clear()
    text = hostile(FAR_TOO_MUCH)

    def sign_in(browser: Any) -> int:
        status: int = browser.signs_in(text[:254], text).status_code
        return status

    with ThreadPoolExecutor(5) as pool:
        attacks = [pool.submit(sign_in, browser) for browser in browsers[:4]]
        visit = pool.submit(browsers[4].get, "/sign-in")
        assert visit.result(60).status_code == 200
        assert {attack.result(60) for attack in attacks} == {422}
    assert max(normalized, default=0) <= passwords.MAX_CHARS


@pytest.mark.parametrize("path", ["/sign-in", "/account/password", "/sites/new", "/team"])
def test_a_body_larger_than_any_form_of_its_route_is_not_read(as_ana: Any, path: str) -> None:
    assert as_ana.post(path, data={"password": "x" * 40_000}).status_code == 413


def test_a_form_with_hundreds_of_checkboxes_is_accepted(as_ana: Any, today: Site) -> None:
    many = [f"plugin|{'p' * 280}/p.php|1.0|1.{number}" for number in range(201)]
    assert as_ana.post("/updates/review", data={"want": many}).status_code == 409


@pytest.mark.parametrize(
    ("judge", "refused"),
    [
        (lambda text: passwords.password_problem(text, name="Ana", email="a@b.c") != "", True),
        (lambda text: passwords.verify_password(passwords.hash_password(PASSWORD), text), False),
        (lambda text: is_refused(urls.normalize_url, f"https://{text}.example"), True),
        (lambda text: is_refused(tag_names.read, text), True),
        (lambda text: urls.same_home("https://a.example", f"https://{text}"), False),
    ],
    ids=["new password", "password", "address", "tags", "address of a site"],
)
def test_long_text_is_refused_before_it_is_normalized(
    judge: Any, refused: bool, normalized: list[int]
) -> None:
    passwords.hash_password(PASSWORD)
    normalized.clear()
    assert judge(hostile(2000)) is refused
    assert max(normalized, default=0) < 2000


def is_refused(read: Any, text: str) -> bool:
    try:
        read(text)
    except Invalid:
        return True
    return False
