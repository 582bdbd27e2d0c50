"""Compare a page after an update with two looks before it."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from random import Random

import pytest

from app.domain.page_checks import comparison
from app.domain.page_checks.comparison import (
    CANNOT_TELL,
    DIFFERENT,
    SAME,
    Look,
    Requirements,
    Verdict,
    compare,
)
from app.domain.page_checks.structure import Structure, TooComplex, require_simple
from tests.support.shop_pages import Page, answer, look_at, look_at_answer, pages

PAGES = pages()


def quiet_run(page: Page, seed: int) -> Verdict:
    """Return two looks before and two after an update that broke nothing."""
    visit = Random(f"{page.number}/{seed}")
    before = [page.look(visit), page.look(visit)]
    return compare(before, [page.look(visit), page.look(visit)], page.required)


def spoiled(page: Page, pattern: str, by: str, seed: int = 1) -> Verdict:
    visit = Random(seed)
    before = [page.look(visit), page.look(visit)]
    text = page.draw(visit)
    assert re.search(pattern, text), f"page {page.number} has nothing to spoil"
    after = [page.look(visit, lambda html: re.sub(pattern, by, html, count=1)) for _ in range(2)]
    return compare(before, after, page.required)


def _check_quiet_runs(count: int) -> None:
    found = Counter(
        (verdict.answer, verdict.must_go_back)
        for seed in range(count)
        for verdict in [quiet_run(PAGES[seed % len(PAGES)], seed)]
    )
    assert found == {(SAME, False): count}


def test_a_hundred_quiet_updates_are_never_rolled_back() -> None:
    _check_quiet_runs(100)


@pytest.mark.nightly
def test_a_thousand_quiet_updates_are_never_rolled_back() -> None:
    _check_quiet_runs(1000)


@pytest.mark.parametrize("page", [p for p in PAGES if p.kind in ("checkout", "contact", "login")])
def test_a_form_without_action_rolls_back(page: Page) -> None:
    verdict = spoiled(page, r' action="/(checkout|contact|wp-login)[^"]*"', "")
    assert verdict.answer == DIFFERENT
    assert verdict.must_go_back
    assert (comparison.FORM_ACTION, page.required.form_action) in [
        (one.what, one.missing) for one in verdict.differences
    ]


@pytest.mark.parametrize("page", [p for p in PAGES if p.kind != "front"])
def test_a_hidden_button_is_found(page: Page) -> None:
    button = r'<(button|input)(?= (name="add"|id="place_order"|type="submit"))'
    verdict = spoiled(page, button, r"<\1 hidden")
    assert verdict.answer == DIFFERENT
    assert "button" in {one.what for one in verdict.differences}
    # The checkout's button is named in what must be there; the others ask a person.
    assert verdict.must_go_back is (page.kind == "checkout")


@pytest.mark.parametrize("page", [p for p in PAGES if p.kind in ("shop", "checkout", "front")])
def test_a_missing_price_is_found(page: Page) -> None:
    price = (
        r"<bdi>.*?</bdi>|<strong class=.order-price.*?</strong>|<span class=.price-from.*?</span>"
    )
    verdict = spoiled(page, price, "")
    assert verdict.answer == DIFFERENT
    assert "price" in {one.what for one in verdict.differences}


@pytest.mark.parametrize("page", PAGES)
def test_a_broken_script_reference_is_found(page: Page) -> None:
    verdict = spoiled(page, "/wp-content/plugins/forms/app.js", "/wp-content/plugins/froms/app.js")
    assert verdict.answer == DIFFERENT
    assert [(one.what, one.missing) for one in verdict.differences] == [
        ("script", "/wp-content/plugins/forms/app.js")
    ]


def test_a_script_that_no_longer_loads_is_found() -> None:
    page, visit = PAGES[0], Random(1)
    before = [page.look(visit), page.look(visit)]
    asset = "https://shop.example/wp-content/plugins/forms/app.js"
    after = [Look(page.look(visit).structure, broken_assets=(asset,)) for _ in range(2)]
    verdict = compare(before, after, page.required)
    assert [(one.what, one.missing) for one in verdict.differences] == [("asset", asset)]
    assert not verdict.must_go_back


@pytest.mark.parametrize("page", PAGES[:5])
@pytest.mark.parametrize(
    "message",
    [
        "<b>Warning</b>:  Undefined variable $a in <b>/srv/p.php</b> on line <b>12</b><br />",
        "PHP Deprecated: Function f() is old in /srv/p.php on line 3",
        "<p>There has been a critical error on this website.</p>",
    ],
)
def test_a_php_error_message_rolls_back(page: Page, message: str) -> None:
    verdict = spoiled(page, "<main>", f"<main>{message}")
    assert verdict.must_go_back
    assert comparison.NOTICE in {one.what for one in verdict.differences}


def test_a_php_message_from_before_the_update_is_ignored() -> None:
    message = "<b>Notice</b>: Old in <b>/srv/p.php</b> on line <b>12</b>"
    looks = [look_at(f"<h1>News</h1>{message}", Requirements()) for _ in range(3)]
    verdict = compare(looks[:2], looks[2:], Requirements())
    assert (verdict.answer, verdict.before) == (SAME, ("notice",))


@pytest.mark.parametrize("status", [404, 500, 302])
def test_another_status_rolls_back(status: int) -> None:
    good, bad = look_at("<h1>Shop</h1>", Requirements()), look_at("", Requirements(), status)
    verdict = compare([good, good], [bad, bad], Requirements())
    assert ("status", "200", True) in [
        (one.what, one.missing, one.is_required) for one in verdict.differences
    ]


@pytest.mark.parametrize("is_first", [True, False])
def test_an_element_missing_in_one_of_two_looks_is_inconclusive(is_first: bool) -> None:
    required = Requirements(phrase="Order")
    good, bad = look_at("<p>Order</p>", required), look_at("<p>Later</p>", required)
    after = [bad, good] if is_first else [good, bad]
    verdict = compare([good, good], after, required)
    assert (verdict.answer, verdict.why) == (CANNOT_TELL, "unsteady")
    assert not verdict.must_go_back


def test_a_look_without_a_response_is_inconclusive() -> None:
    good, silent = look_at("<h1>Shop</h1>", Requirements()), Look(None, why="connect_timeout")
    assert compare([good, good], [good, silent], Requirements()).why == "connect_timeout"
    assert compare([good, silent], [good, good], Requirements()).why == "before:connect_timeout"
    assert compare([], [good], Requirements()).answer == CANNOT_TELL
    assert compare([good, good], [], Requirements()).answer == CANNOT_TELL


def test_a_bot_check_in_place_of_the_page_is_inconclusive() -> None:
    page, visit = PAGES[1], Random(5)
    before = [page.look(visit), page.look(visit)]
    robots = look_at("<title>One moment</title><script src=/.well-known/x.js>", page.required)
    verdict = compare(before, [robots, robots], page.required)
    assert (verdict.answer, verdict.why) == (CANNOT_TELL, "another_page")


@pytest.mark.parametrize("text", ["", "<html><body></body></html>"])
def test_an_empty_page_rolls_back(text: str) -> None:
    page, visit = PAGES[1], Random(5)
    before = [page.look(visit), page.look(visit)]
    assert compare(before, [look_at(text, page.required)] * 2, page.required).must_go_back


def test_a_rest_response_is_compared_by_its_field_names() -> None:
    def look(text: str) -> Look:
        received = answer(text, media="application/json; charset=UTF-8")
        return look_at_answer(received, Requirements(phrase='"name"'))

    good, other = look('{"name":"Bakery","at":1}'), look('{"name":"Bread","at":2}')
    assert compare([good, other], [other], Requirements()).answer == SAME
    lost = compare([good, other], [look('{"code":"rest_no_route"}')] * 2, Requirements())
    assert lost.must_go_back
    assert {one.missing for one in lost.differences if one.what == "data"} == {
        "name str",
        "at int",
    }
    assert compare([good, other], [look("<b>oops")] * 2, Requirements()).answer == DIFFERENT


def test_a_lone_surrogate_in_a_field_name_can_be_stored() -> None:
    received = answer('{"\\ud800": 1}', media="application/json")
    look = look_at_answer(received, Requirements())
    assert json.dumps(look.as_json(), ensure_ascii=False).encode()
    assert look.structure is not None
    assert look.structure.features["data"] == ("? int",)


def test_a_structure_survives_the_database() -> None:
    look = PAGES[1].look(Random(3))
    assert Look.from_json(look.as_json()) == look
    assert Look.from_json(Look(None, why="cached").as_json()) == Look(None, why="cached")


@pytest.mark.parametrize(
    "hostile",
    [
        "<form action='https://[::1'><script src='http://[x'></script></form>",
        "<h1>" + "a" * 500_000,
        "\x00\ufffe<title>" + "<script src=x></script>" * 20_000,
        "<b>Warning</b>: " * 900,
        ("<div>" * 900 + "</div>" * 900) * 50,
        "<p data-variations='" + '[{"a": 1}, {"b": 2}] ' * 100 + "'>" + "word " * 2500,
        "<nav><a href='" + "x" * 300_000 + ":y'>Menu</a></nav>",
    ],
    ids=["addresses", "long", "many", "messages", "depth", "data", "scheme"],
)
def test_any_page_is_read_within_limits(hostile: str) -> None:
    look = look_at(hostile, Requirements(phrase="x", selector="div h1", form_action="/a"))
    assert isinstance(look.structure, Structure)
    assert len(str(look.as_json())) < 100_000


def test_a_long_address_takes_no_longer_than_a_short_one() -> None:
    began = time.process_time()
    look_at("<script src='/" + "f" * 20_000 + "'></script>", Requirements(form_action="/a"))
    assert time.process_time() - began < 2


@pytest.mark.parametrize(
    "hostile",
    [
        "<div>" * 100_000,
        "".join(f"<p><b a={number}>" for number in range(2000)),
        "<div " + " ".join(f"a{number}=1" for number in range(50_000)) + ">",
        "<div a='>' " + " ".join(f"a{number}=1" for number in range(50_000)) + ">",
        "<script a='>' " + " ".join(f"a{number}=1" for number in range(50_000)) + ">",
        "<select>" + "<option>" * 50_000,
        "<path/>" * 50_000,
    ],
    ids=["depth", "formats", "attributes", "quotes", "script", "options", "shapes"],
)
def test_a_page_that_is_too_slow_to_parse_is_not_parsed(hostile: str) -> None:
    with pytest.raises(TooComplex):
        require_simple(hostile)


def test_an_invalid_selector_is_recognized() -> None:
    assert comparison.is_selector("form#order > button[type=submit]")
    assert not comparison.is_selector("form[[")
