"""Use Settings → SiteAgent on a real WordPress: permissions, every state and wrong tokens."""

from __future__ import annotations

import html
import json
import re

import pytest

from tests.plugin.support.dashboard import ORIGIN, new_token, pair
from tests.plugin.support.forms import (
    FORMS,
    TABS,
    agree,
    connect_by_forms,
    nonces_of,
    paste,
    user_with_role,
)
from tests.plugin.support.signed_requests import forget
from tests.plugin.support.wp_admin import Person, hidden, words


@pytest.fixture
def ana(wp) -> Person:
    """Return the administrator of a site without a connection or a pasted token."""
    forget(wp)
    return Person(wp.url, wp.admin, wp.password)


@pytest.fixture
def connected(wp, ana):
    """Return a dashboard that is paired with this site."""
    return connect_by_forms(wp, ana)


def state(wp) -> str:
    """Return the state of this site's connection."""
    return wp.evaluate("return siteagent()->connection_store()->state();")


# What works


@pytest.mark.smoke
def test_a_pasted_and_accepted_token_connects_the_site(wp, ana):
    token = new_token(wp.url)
    consent = words(paste(ana, token.text()))
    assert ORIGIN in consent
    assert "It can change nothing unless you allow it: all permissions are off at first." in consent
    assert "WordPress accounts, logins and passwords" in consent
    waiting = words(ana.submit(ana.page("&step=consent").text, "siteagent_accept"))
    assert f"Waiting for {ORIGIN}" in waiting
    assert "could not be reached from here" in waiting
    paired = pair(token)
    page = words(ana.page().text)
    assert f"Connected to {ORIGIN}" in page
    assert paired.fingerprint in page
    assert "ago)" in page


def test_white_space_around_a_token_is_ignored(wp, ana):
    text = new_token(wp.url).text()
    assert ORIGIN in words(paste(ana, f"  \n{text}\r\n "))


def test_the_waiting_page_refreshes_and_can_be_canceled(wp, ana):
    token = new_token(wp.url)
    page = agree(ana, token.text())
    assert ana.page().headers["Refresh"].startswith("5;")
    assert "Refresh" in words(page)
    after = words(ana.submit(page, "siteagent_cancel"))
    assert "nothing was connected" in after
    assert "No dashboard is connected" in after
    assert "Refresh" not in ana.page().headers


@pytest.mark.smoke
def test_cancel_on_the_consent_page_forgets_the_token(wp, ana):
    consent = paste(ana, new_token(wp.url).text())
    ana.submit(consent, "siteagent_cancel")
    assert "Connect this site to a dashboard" in words(ana.page("&step=consent").text)


def test_the_disconnect_page_says_what_stops_and_what_stays(wp, ana, connected):
    danger = ana.page("&step=disconnect").text
    assert "What stops" in words(danger)
    assert "What stays" in words(danger)
    after = words(ana.submit(danger, "siteagent_disconnect"))
    assert "Disconnected. The keys were deleted" in after
    assert "could not be reached" in after
    assert "No dashboard is connected. No data leaves this site." in after
    assert state(wp) == "unpaired"


def test_a_message_is_shown_once(wp, ana, connected):
    ana.submit(ana.page("&step=disconnect").text, "siteagent_disconnect")
    assert "Disconnected." not in words(ana.page().text)


@pytest.mark.smoke
def test_a_second_disconnect_does_no_harm(wp, ana, connected):
    danger = ana.page("&step=disconnect").text
    ana.submit(danger, "siteagent_disconnect")
    assert "This site is not connected." in words(ana.submit(danger, "siteagent_disconnect"))


def test_a_connection_is_replaced_only_if_the_box_is_checked(wp, ana, connected):
    token = new_token(wp.url, origin="http://127.0.0.1:10")
    consent = paste(ana, token.text())
    assert "Replace the existing connection" in words(consent)
    refused = words(ana.submit(consent, "siteagent_accept"))
    assert "you have not agreed to replace" in refused
    assert connected.ask("ping").document["ok"] is True
    waiting = words(ana.submit(ana.page("&step=consent").text, "siteagent_accept", replace="1"))
    assert "Waiting for http://127.0.0.1:10" in waiting
    assert pair(token).fingerprint in words(ana.page().text)


# Wrong tokens


@pytest.mark.smoke
def test_each_wrong_token_gets_its_own_message(wp, ana):
    good = new_token(wp.url).text()
    wrong = {
        "hello": "This is not a pairing token.",
        good[:-1] + ("0" if good[-1] != "0" else "1"): "This token is incomplete",
        good[:-20]: "This token is incomplete",
        new_token(wp.url, age_s=3600).text(): "This token has expired.",
        new_token("https://other.example").text(): "This token is for another site.",
    }
    for text, message in wrong.items():
        page = words(paste(ana, text))
        assert message in page, page
        assert "Connect this site to this dashboard?" not in page
    assert state(wp) == "unpaired"


def test_a_token_for_another_address_names_both_addresses(wp, ana):
    wrong_path = f"{wp.url}/wp"
    page = words(paste(ana, new_token(wrong_path).text()))
    assert f"It was created for {wrong_path}, but the address of this site is {wp.url}." in page
    assert f"add it to your dashboard as {wp.url} and create a new token" in page


def test_an_empty_token_is_reported(ana):
    assert "No token entered." in words(paste(ana, "   "))


def test_a_used_token_is_reported(wp, ana):
    token = new_token(wp.url)
    agree(ana, token.text())
    pair(token)
    assert "This token has already been used." in words(paste(ana, token.text()))


def test_a_mistyped_token_stays_in_the_field(ana):
    page = paste(ana, 'SA1.<b>"half"</b>')
    assert html.escape('SA1.<b>"half"</b>', quote=True) in page


def test_a_valid_token_is_never_shown_again(wp, ana):
    elsewhere = new_token("https://other.example")
    assert elsewhere.text().split(".")[2] not in paste(ana, elsewhere.text())
    token = new_token(wp.url)
    secret = token.text().split(".")[2]
    for shown in (paste(ana, token.text()), ana.page().text, ana.page("&step=token").text):
        assert secret not in shown
    assert secret not in ana.submit(ana.page("&step=consent").text, "siteagent_accept")


def test_a_pasted_token_is_not_stored_in_plain_text(wp, ana):
    token = new_token(wp.url)
    paste(ana, token.text())
    rows = wp.evaluate(
        "global $wpdb; return $wpdb->get_col('SELECT option_value FROM ' . $wpdb->options);"
    )
    assert token.text().split(".")[2] not in "".join(value or "" for value in rows)


def test_another_session_of_the_same_account_does_not_see_the_token(wp, ana):
    paste(ana, new_token(wp.url).text())
    elsewhere = Person(wp.url, wp.admin, wp.password)
    assert "siteagent-origin" in ana.page("&step=consent").text
    assert "siteagent-origin" not in elsewhere.page("&step=consent").text


def test_accepting_without_a_token_asks_for_it_again(wp, ana):
    consent = paste(ana, new_token(wp.url).text())
    forget(wp)
    assert "Please paste it again." in words(ana.submit(consent, "siteagent_accept"))


def test_a_dashboard_without_https_is_pointed_out(wp, ana):
    assert "not encrypted" in words(paste(ana, new_token(wp.url).text()))
    safe = new_token(wp.url, origin="https://aura.example").text()
    assert "not encrypted" not in words(paste(ana, safe))


# Visitors and other roles


def test_the_nonces_of_these_tests_are_the_real_ones(wp, ana):
    page = ana.page().text
    expected = nonces_of(wp, ana)["siteagent_read_token"]
    assert hidden(page, "siteagent_read_token")["_wpnonce"] == expected


@pytest.mark.smoke
@pytest.mark.parametrize("role", ["subscriber", "contributor", "author", "editor"])
def test_only_an_administrator_sees_the_screen(wp, role):
    person = user_with_role(wp, role)
    for query in TABS:
        response = person.page(query)
        assert response.status_code == 403
        assert "Pairing token" not in response.text


def test_a_visitor_is_sent_to_sign_in(wp):
    response = Person(wp.url).page(allow_redirects=False)
    assert response.status_code == 302
    assert "wp-login.php" in response.headers["Location"]


@pytest.mark.parametrize("role", ["subscriber", "contributor", "author", "editor"])
def test_only_an_administrator_can_send_a_form(wp, ana, connected, role):
    person = user_with_role(wp, role)
    token = new_token(wp.url).text()
    for form, nonce in nonces_of(wp, person).items():
        response = person.send(form, _wpnonce=nonce, token=token, replace="1")
        assert response.status_code == 403, form
        assert state(wp) == "paired", form


@pytest.mark.smoke
def test_a_visitor_cannot_send_a_form(wp, ana, connected):
    visitor = Person(wp.url)
    for form in FORMS:
        response = visitor.send(form, token="x", replace="1")
        assert response.status_code in (200, 302, 400, 403), form
        assert response.text.strip() in ("", "0") or response.status_code != 200, form
        assert state(wp) == "paired", form


def test_a_form_without_this_persons_nonce_does_nothing(wp, ana, connected):
    ana_nonces, ben_nonces = nonces_of(wp, ana), nonces_of(wp, user_with_role(wp, "administrator"))
    for form in FORMS:
        other = "siteagent_cancel" if form != "siteagent_cancel" else "siteagent_disconnect"
        visitor_nonce = wp.evaluate(f"wp_set_current_user(0); return wp_create_nonce('{form}');")
        for nonce in ("", "nonsense", ben_nonces[form], visitor_nonce, ana_nonces[other]):
            response = ana.send(form, _wpnonce=nonce, token="x", replace="1")
            assert response.status_code == 403, form
        assert state(wp) == "paired", form


def test_a_link_cannot_send_a_form(wp, ana, connected):
    for form, nonce in nonces_of(wp, ana).items():
        response = ana.session.get(
            f"{wp.url}/wp-admin/admin-post.php?action={form}&_wpnonce={nonce}",
            allow_redirects=False,
            timeout=60,
        )
        assert response.status_code == 405, form
        assert state(wp) == "paired", form


# Other states


def test_unreadable_keys_are_explained(wp, ana, connected):
    wp.evaluate(
        "$o = get_option('siteagent'); array_walk_recursive($o, function (&$v, $k) {"
        "if ('sealed' === $k) { $v = strrev($v); } }); update_option('siteagent', $o);"
    )
    page = ana.page()
    assert "SiteAgent cannot read its saved keys" in words(page.text)
    after = words(ana.submit(ana.page("&step=disconnect").text, "siteagent_disconnect"))
    assert "No dashboard is connected" in after


# The reported data and the log


def shown_json(page: str) -> dict:
    found = re.search(r'<pre class="siteagent-json"[^>]*>(.*?)</pre>', page, re.DOTALL)
    assert found
    return json.loads(html.unescape(found[1]))


@pytest.mark.smoke
def test_the_exact_json_is_shown_before_and_after_pairing(wp, ana):
    before = ana.page("&tab=data").text
    assert "No dashboard is connected, so no data leaves this site." in words(before)
    paired = connect_by_forms(wp, ana)
    report = paired.ask("report", have=None).document["report"]
    # Time passes and other tests use the disk, so these two values change between reports.
    changing = (report.pop("taken_at"), report["health"].pop("disk_free"))
    assert min(changing) > 0
    after = ana.page("&tab=data").text
    contents = "the activity log since it was connected, and the result of each update it"
    assert f"{ORIGIN} receives this report on request, {contents}" in words(after)
    for page in (before, after):
        shown = shown_json(page)
        assert shown.pop("taken_at") > 0
        assert shown["health"].pop("disk_free") > 0
        assert shown == report


@pytest.mark.smoke
def test_every_field_is_listed_with_its_reason(wp, ana):
    from app.domain.inventory import report_schema

    page = words(ana.page("&tab=data").text)
    for field in report_schema.fields():
        assert field.path in page
        assert field.why in page


def test_the_log_shows_what_happened_and_who_did_it(wp, ana):
    connect_by_forms(wp, ana).ask("ping")
    ana.submit(ana.page("&step=disconnect").text, "siteagent_disconnect")
    page = words(ana.page("&tab=log").text)
    assert "Log verified" in page
    assert wp.admin in page
    entries = page.split("Log verified")[1]
    assert entries.index("isconnected") < entries.index("onnected")


def test_a_broken_chain_is_pointed_out(wp, ana):
    connect_by_forms(wp, ana)
    wp.evaluate(
        "global $wpdb; $t = $wpdb->base_prefix . 'siteagent_log';"
        '$wpdb->query("UPDATE $t SET at = at - 1 ORDER BY seq DESC LIMIT 1");'
    )
    try:
        assert "Log verification failed at entry" in words(ana.page("&tab=log").text)
    finally:
        wp.evaluate("global $wpdb; (new Siteagent_Audit_Log($wpdb))->drop();")


def test_the_log_has_pages(wp, ana):
    wp.evaluate(
        "global $wpdb; $log = new Siteagent_Audit_Log($wpdb); $log->drop();"
        "for ($i = 0; $i < 60; $i++) { $log->append('test', array('round' => $i), 'site'); }"
    )
    first, second = words(ana.page("&tab=log").text), words(ana.page("&tab=log&paged=2").text)
    assert "Round 59 " in first
    assert "Round 9 " not in first
    assert "Round 9 " in second
    assert "Page 2 of 2" in second
    for strange in ("0", "-5", "99", "x", "2[]=1"):
        assert ana.page(f"&tab=log&paged={strange}").status_code == 200


@pytest.mark.smoke
def test_hostile_facts_stay_text_in_the_log(wp, ana):
    wp.evaluate(
        "global $wpdb; (new Siteagent_Audit_Log($wpdb))->append('<b>x</b>',"
        "array('<i>' => '<script>alert(1)</script>'), '<u>who</u>');"
    )
    page = ana.page("&tab=log").text
    assert "<script>alert(1)</script>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<u>who</u>" not in page


def test_the_stylesheet_is_only_on_this_screen(wp, ana):
    assert "assets/admin.css" in ana.page().text
    dashboard = ana.session.get(f"{wp.url}/wp-admin/index.php", timeout=60).text
    assert "assets/admin.css" not in dashboard


@pytest.mark.smoke
def test_the_plugins_list_links_to_the_screen(wp, ana):
    page = ana.session.get(f"{wp.url}/wp-admin/plugins.php", timeout=60).text
    assert "options-general.php?page=siteagent" in page


def test_wordpress_suggests_a_text_for_the_privacy_policy(wp, ana):
    guide = ana.session.get(
        f"{wp.url}/wp-admin/options-privacy.php?tab=policyguide", timeout=60
    ).text
    assert "SiteAgent" in guide
    assert "plugins[].version" in guide


def test_pages_are_not_kept_by_caches(ana):
    assert (
        "no-store" in ana.page().headers["Cache-Control"]
        or "no-cache" in ana.page().headers["Cache-Control"]
    )
