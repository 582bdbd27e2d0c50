"""Page checks: who chooses the pages, what Aura finds on them, and who judges differences."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.domain.page_checks import looks, settings
from app.domain.page_checks.settings import TypedPage
from app.models.audit import AuditEntry
from app.models.base import utcnow
from app.models.changes import SUCCEEDED, Change
from app.models.site_pages import ChangePages, PageRound, SitePage
from app.models.sites import Site
from tests.support.factories import approve, check, make_site, propose, run_change

SHOP = (
    b"<!doctype html><title>Shop</title><header><a href='/checkout/'>Checkout</a></header>"
    b"<form action='/cart/' method=post><button>Add to cart</button></form>"
)


def add(person, site, **form):
    typed = {"path": "/shop/", "phrase": "", "status": 200, "no_notice": 1, **form}
    return person.post(f"/sites/{site.id}/pages", data=typed)


def look(site, fake, config):
    return looks.look_now(site.id, config=config, probe=fake.look, now=fake.clock)


def test_an_operator_adds_a_page_and_reads_the_result_of_a_look(as_ben, ready, fake, config):
    fake.pages["/shop/"] = lambda: (200, SHOP)
    response = add(as_ben, ready, path=f"{ready.url}/shop/#top", phrase="Add to  cart")
    assert response.headers["Location"] == f"/sites/{ready.id}/pages"
    assert "Aura is looking at the pages" in as_ben.get(f"/sites/{ready.id}/pages").text
    assert look(ready, fake, config) == "looked at 1"
    page = SitePage.get()
    assert (page.path, page.phrase, page.result["answer"]) == ("/shop/", "Add to cart", "met")
    text = as_ben.get(f"/sites/{ready.id}/pages").text
    assert "As required" in text
    assert "1 of at most 20" in text
    assert "Aura is looking at the pages" not in text
    entry = AuditEntry.newest_of(("site_page_added",), site_id=ready.id)
    assert "with the phrase “Add to cart”" in as_ben.get(f"/activity/{entry.seq}").text


def test_a_lost_look_is_retried_and_given_up_after_an_hour(as_ben, ready, fake, config, jobs):
    add(as_ben, ready)
    requested_at = PageRound.of(ready.id).requested_at
    jobs.jobs.clear()
    assert looks.recover_looks(requested_at + timedelta(minutes=4)) == 0
    assert looks.recover_looks(requested_at + timedelta(minutes=6)) == 1
    assert jobs.jobs == [("look_at_pages", (ready.id,), 0)]
    jobs.jobs.clear()
    assert looks.recover_looks(requested_at + timedelta(minutes=61)) == 1
    assert jobs.jobs == []
    assert "Aura is looking at the pages" not in as_ben.get(f"/sites/{ready.id}/pages").text
    assert looks.recover_looks(requested_at + timedelta(minutes=62)) == 0


def test_a_look_shows_what_is_missing_and_what_is_uncertain(as_ben, ready, fake, config):
    fake.pages["/shop/"] = lambda: (404, b"<h1>Gone</h1>")
    fake.pages["/busy/"] = lambda: (503, b"Busy")
    add(as_ben, ready, phrase="Add to cart", selector="form button", form_action="/cart/")
    add(as_ben, ready, path="/busy/")
    look(ready, fake, config)
    text = as_ben.get(f"/sites/{ready.id}/pages").text
    assert "Not as required" in text
    assert "Another status: 404" in text
    assert "The phrase is missing" in text
    assert "Nothing visible matches the selector" in text
    assert "No form with this action" in text
    assert "Cannot tell" in text
    assert "The server was overloaded or restarting." in text


def test_the_front_page_and_the_plugins_suggest_pages(as_ben, ready, fake, config):
    fake.front_page = (
        200,
        b"<title>Bakery</title><a href='/kontakt/'>K</a><a href='/2026/01/news/'>N</a>"
        b"<a href='https://other.example/shop/'>S</a><a href='/shop/?key=1'>S</a>",
    )
    add(as_ben, ready, path="/")
    look(ready, fake, config)
    assert PageRound.of(ready.id).suggestions == ["/kontakt/"]
    text = as_ben.get(f"/sites/{ready.id}/pages").text
    assert "Add /kontakt/" in text
    assert "Add /wp-login.php" in text
    assert "other.example" not in text


@pytest.mark.parametrize(
    ("typed", "problem"),
    [
        ({"path": "https://other.example/shop/"}, "Only pages on bakery.example can be checked."),
        ({"path": "ftp://bakery.example/"}, "Only pages on bakery.example can be checked."),
        ({"path": "https://bakery.example:8443/"}, "Only pages on bakery.example"),
        ({"path": "//other.example/"}, "Only pages on bakery.example can be checked."),
        ({"path": "https://[::1"}, "This is not an address."),
        ({"path": "https://ana:pw@bakery.example/"}, "Remove the name and password"),
        ({"path": "/order/?order_key=wc_1"}, "its value may be a secret"),
        ({"path": "/?_wpnonce=1"}, "its value may be a secret"),
        ({"path": "/?add-to-cart=7"}, "it makes the site do something"),
        ({"path": "/wp-admin/"}, "Choose another page."),
        ({"path": "/wp-cron.php"}, "Choose another page."),
        ({"path": "/?" + "a&" * 60}, "The address has more than 50 parameters."),
        ({"path": "  "}, "Enter the address of a page."),
        ({"path": "/" + "a" * 501}, "At most 500 characters."),
        ({"phrase": "x" * 201}, "At most 200 characters."),
        ({"phrase": "a\u202eb"}, "Remove characters that are invisible"),
        ({"selector": "form[["}, "This is not a CSS selector."),
        ({"form_action": "/" + "a" * 300}, "At most 300 characters."),
        ({"status": "999"}, "Choose one of the statuses."),
        ({"status": "many"}, "Choose one of the statuses."),
    ],
)
def test_an_invalid_page_is_refused_with_a_reason(as_ben, ready, typed, problem):
    response = add(as_ben, ready, **typed)
    assert response.status_code == 422
    assert problem in response.text
    assert SitePage.select().count() == 0


def test_a_page_is_listed_once_and_the_limit_is_twenty(as_ben, ready):
    add(as_ben, ready)
    response = add(as_ben, ready)
    assert (response.status_code, "in the list already" in response.text) == (422, True)
    for number in range(settings.MOST_PAGES - 1):
        assert add(as_ben, ready, path=f"/{number}/").status_code == 303
    response = add(as_ben, ready, path="/more/")
    assert response.status_code == 409
    assert "at most 20 pages" in response.text
    assert SitePage.select().count() == settings.MOST_PAGES


def test_a_page_is_changed_and_removed(as_ben, ready, fake, config):
    add(as_ben, ready)
    look(ready, fake, config)
    page = SitePage.get()
    form = {"path": "/store/", "phrase": "Buy", "status": 200}
    text = as_ben.get(f"/sites/{ready.id}/pages/{page.id}").text
    assert 'value="/shop/"' in text
    as_ben.post(f"/sites/{ready.id}/pages/{page.id}", data=form)
    page = SitePage.get()
    assert (page.path, page.phrase, page.no_notice, page.result) == ("/store/", "Buy", False, {})
    entry = AuditEntry.newest_of(("site_page_changed",), site_id=ready.id)
    assert "before <code>/shop/</code>" in as_ben.get(f"/activity/{entry.seq}").text
    as_ben.post(f"/sites/{ready.id}/pages/{page.id}", data=form)
    again = AuditEntry.newest_of(("site_page_changed",), site_id=ready.id)
    assert again.seq == entry.seq
    bad = as_ben.post(f"/sites/{ready.id}/pages/{page.id}", data={**form, "path": ""})
    assert (bad.status_code, "Enter the address of a page." in bad.text) == (422, True)
    as_ben.post(f"/sites/{ready.id}/pages/{page.id}/remove")
    assert SitePage.select().count() == 0
    assert AuditEntry.newest_of(("site_page_removed",), site_id=ready.id) is not None
    assert as_ben.post(f"/sites/{ready.id}/pages/{page.id}/remove").status_code == 404
    assert as_ben.get(f"/sites/{ready.id}/pages/{page.id}").status_code == 404


def test_a_page_of_another_site_is_not_found(as_ben, ready, ana):
    other = make_site(ana, now=utcnow(), url="https://other.example", name="Other")
    add(as_ben, other)
    page = SitePage.get()
    assert as_ben.get(f"/sites/{ready.id}/pages/{page.id}").status_code == 404
    assert as_ben.post(f"/sites/{ready.id}/pages/{page.id}/remove").status_code == 404
    assert SitePage.select().count() == 1


def test_a_viewer_reads_the_pages_and_cannot_change_them(as_cleo, as_ben, ready):
    add(as_ben, ready)
    text = as_cleo.get(f"/sites/{ready.id}/pages").text
    assert "/shop/" in text
    assert "Remove" not in text.partition("<main")[2]
    assert add(as_cleo, ready, path="/x/").status_code == 403
    assert as_cleo.post(f"/sites/{ready.id}/pages/look").status_code == 403


def test_a_requested_look_is_made_once(as_ben, ready, fake, config):
    add(as_ben, ready)
    assert look(ready, fake, config) == "looked at 1"
    assert look(ready, fake, config) == "nothing to do"
    as_ben.post(f"/sites/{ready.id}/pages/look")
    assert look(ready, fake, config) == "looked at 1"


def test_a_look_at_a_page_that_was_changed_meanwhile_is_not_stored(as_ben, ready, fake, config):
    add(as_ben, ready)
    page = SitePage.get()

    def change():
        SitePage.update(phrase="Other").where(SitePage.id == page.id).execute()
        return 200, SHOP

    fake.pages["/shop/"] = change
    look(ready, fake, config)
    assert SitePage.get().result == {}


@pytest.fixture
def updated(ready, ben, ana, fake, config, clock) -> Change:
    """Run an update after which the page differs, but still has everything required."""
    settings.add_page(ready, TypedPage("/shop/", phrase="Add to cart"), by=ben, now=clock())
    change = check(propose(ready, ben, clock()), fake, config)
    approve(change, ana, config, clock())
    bodies = iter([SHOP, SHOP])
    fake.pages["/shop/"] = lambda: (200, next(bodies, SHOP.replace(b"action='/cart/'", b"")))
    assert run_change(change, fake, config) == SUCCEEDED
    return change


def test_the_update_page_shows_differences_and_a_person_accepts_them(as_ana, updated):
    text = as_ana.get(f"/changes/{updated.id}").text
    assert "Different" in text
    assert "Form:\n      <code>post /cart/</code>" in text
    assert "must be there</strong>" not in text
    tab = as_ana.get(f"/sites/{updated.site_id}/pages").text
    assert "after the update of Akismet: /shop/</a>" in tab
    assert "Look at pages after" not in tab
    assert f'href="/changes/{updated.id}#pages"' in tab
    assert "Succeeded, with pages to look at" in as_ana.get(f"/changes/{updated.id}").text
    response = as_ana.post(f"/changes/{updated.id}/pages", data={"pages_note": "New <b>button</b>"})
    assert response.status_code == 303
    text = as_ana.get(f"/changes/{updated.id}").text
    assert "Succeeded, with pages to look at" not in text
    assert "Ana looked at the pages and found them right" in text
    assert "after the update of" not in as_ana.get(f"/sites/{updated.site_id}/pages").text
    entry = AuditEntry.newest_of(("change_pages_judged",), site_id=updated.site_id)
    assert "checked the pages after update" in as_ana.get(f"/activity/{entry.seq}").text
    assert as_ana.post(f"/changes/{updated.id}/pages").status_code == 409
    assert ChangePages.of(updated.id).judged_by == "Ana"
    assert "New &lt;b&gt;button&lt;/b&gt;" in text


def test_the_overview_the_counter_and_the_lists_link_to_the_question(as_ana, updated):
    place = f'href="/changes/{updated.id}#pages"'
    overview = as_ana.get("/").text
    assert "Pages of Bakery differ after the update of Akismet to 5.3.1" in overview
    assert place in overview
    assert '</svg>Updates <span class="count">1' in overview
    listed = as_ana.get("/updates/done").text
    assert "Pages to look at" in listed
    assert place in listed
    assert "after the update of Akismet: /shop/</a>" in as_ana.get(f"/sites/{updated.site_id}").text
    assert place in as_ana.get("/sites").text
    as_ana.post(f"/changes/{updated.id}/pages")
    for path in ("/", "/updates/done", "/sites", f"/sites/{updated.site_id}"):
        assert place not in as_ana.get(path).text


def test_the_update_page_links_to_the_kept_version_on_the_site(as_ana, updated):
    link = "/wp-admin/options-general.php?page=siteagent&amp;tab=history"
    text = as_ana.get(f"/changes/{updated.id}").text
    assert "restore 5.3 on the site" in text
    assert link in text
    evidence = {**updated.evidence, "kept_copy": False}
    Change.update(evidence=evidence).where(Change.id == updated.id).execute()
    text = as_ana.get(f"/changes/{updated.id}").text
    assert "there is no copy of 5.3 to restore" in text
    assert link not in text
    ChangePages.update(asks=False, answer="restored", judged_at=updated.ended_at).execute()
    assert "was restored in the site's wp-admin" in as_ana.get(f"/changes/{updated.id}").text


def test_a_note_that_is_too_long_is_refused(as_ana, updated):
    response = as_ana.post(f"/changes/{updated.id}/pages", data={"pages_note": "x" * 501})
    assert response.status_code == 422
    assert "At most 500 characters" in response.text
    assert ChangePages.of(updated.id).asks


def test_a_viewer_sees_the_question_and_cannot_answer_it(as_cleo, updated):
    text = as_cleo.get(f"/changes/{updated.id}").text
    assert "Looks right" not in text
    assert "role operator or higher marks the pages as right" in text
    assert as_cleo.post(f"/changes/{updated.id}/pages").status_code == 403


def test_a_client_user_sees_that_the_agency_checks_the_pages(as_dora, dora, updated):
    Site.update(client=dora.client_id).where(Site.id == updated.site_id).execute()
    tab = as_dora.get(f"/sites/{updated.site_id}/pages").text
    assert "Look at pages after an update" in tab
    assert "needs attention" not in tab
