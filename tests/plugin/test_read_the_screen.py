"""The settings screen shows the true state, even where a part of SiteAgent is broken."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest

from app.protocol import b64u
from tests.plugin.support.dashboard import Paired, checkpoint_of, new_token
from tests.plugin.support.signed_requests import connect, forget
from tests.plugin.support.wp_admin import Person, words
from tests.wordpress.engine import docker

PLUGIN = "/var/www/wordpress/wp-content/plugins/siteagent"


@pytest.fixture
def ana(wp) -> Person:
    return Person(wp.url, wp.admin, wp.password)


@pytest.fixture
def paired(wp) -> Iterator[Paired]:
    forget(wp)
    yield connect(wp)
    forget(wp)


def test_after_a_revocation_the_screen_names_the_dashboard(wp, ana, paired) -> None:
    secret = {"kid": paired.channel.keyid, "r": b64u(paired.session.revoke)}
    paired.ask("revoke", **secret)
    assert "ended the connection on" in words(ana.page().text)
    assert "The dashboard http" in words(ana.page().text)


def test_after_disconnecting_the_screen_says_it_was_ended_here(wp, ana, paired) -> None:
    wp.evaluate("siteagent()->pairing()->disconnect('user:1');")
    assert "was ended here on" in words(ana.page().text)


def test_an_error_about_a_token_is_shown_once(wp, ana) -> None:
    forget(wp)
    first = words(ana.submit(ana.page().text, "siteagent_read_token", token="nonsense"))
    assert "This is not a pairing token." in first
    assert "This is not a pairing token." not in words(ana.page("&step=token").text)


def test_only_the_dashboard_that_was_shown_is_connected(wp, ana) -> None:
    """In another tab a newer token is pasted, and then the first tab submits "Connect"."""
    forget(wp)
    shown, other = new_token(wp.url), new_token(wp.url, origin="http://127.0.0.1:10")
    page = ana.submit(ana.page().text, "siteagent_read_token", token=shown.text())
    ana.submit(ana.page("&step=token").text, "siteagent_read_token", token=other.text())
    after = words(ana.submit(page, "siteagent_accept"))
    assert "a newer token was pasted meanwhile" in after
    assert wp.evaluate("return siteagent()->connection_store()->state();") == "unpaired"
    again = ana.page("&step=consent").text
    ana.submit(again, "siteagent_accept")
    assert wp.evaluate("return siteagent()->pending_pairing()->get()['origin'];") == other.origin
    forget(wp)


def test_without_its_manifest_wp_admin_works_and_no_report_is_shown(wp, ana, paired) -> None:
    docker("exec", wp.container, "mv", f"{PLUGIN}/manifest.json", f"{PLUGIN}/manifest.away")
    try:
        for page in ("index.php", "plugins.php", "options-privacy.php?tab=policyguide"):
            assert ana.session.get(f"{wp.url}/wp-admin/{page}", timeout=60).status_code == 200
        assert ana.page().status_code == 200
        assert "The report could not be" in words(ana.page("&tab=data").text)
    finally:
        docker("exec", wp.container, "mv", f"{PLUGIN}/manifest.away", f"{PLUGIN}/manifest.json")


def test_disconnecting_succeeds_when_the_log_cannot_be_written(wp, ana, paired) -> None:
    page = ana.page("&step=disconnect").text
    table = "global $wpdb; $t = $wpdb->base_prefix . 'siteagent_log';"
    wp.evaluate(f'{table} $wpdb->query("RENAME TABLE $t TO {{$t}}_away");')
    wp.evaluate(f'{table} $wpdb->query("CREATE TABLE $t (x INT)");')
    try:
        shown = words(ana.submit(page, "siteagent_disconnect"))
    finally:
        wp.evaluate(f'{table} $wpdb->query("DROP TABLE $t");')
        wp.evaluate(f'{table} $wpdb->query("RENAME TABLE {{$t}}_away TO $t");')
    assert "the dashboard no longer has access. This could not be logged." in shown
    assert wp.evaluate("return siteagent()->connection_store()->state();") == "unpaired"


def test_saving_permissions_reports_an_error_without_the_log(wp, ana, paired) -> None:
    page = ana.page("&tab=permissions").text
    table = "global $wpdb; $t = $wpdb->base_prefix . 'siteagent_log';"
    wp.evaluate(f'{table} $wpdb->query("RENAME TABLE $t TO {{$t}}_away");')
    wp.evaluate(f'{table} $wpdb->query("CREATE TABLE $t (x INT)");')
    try:
        shown = words(ana.submit(page, "siteagent_permissions", **{"permissions[]": "themes"}))
    finally:
        wp.evaluate(f'{table} $wpdb->query("DROP TABLE $t");')
        wp.evaluate(f'{table} $wpdb->query("RENAME TABLE {{$t}}_away TO $t");')
    assert "An error occurred" in shown


def test_the_log_shows_the_checkpoint_number_and_no_hashes(wp, ana, paired) -> None:
    paired.ask("ping", checkpoint=checkpoint_of(paired, 812, int(time.time())))
    shown = words(ana.page("&tab=log&kind=routine").text)
    assert "Dashboard’s history up to entry 812" in shown
    assert f"{812:064x}" not in shown


def test_saving_options_php_does_not_end_the_connection(wp, ana, paired) -> None:
    page = ana.session.get(f"{wp.url}/wp-admin/options.php", timeout=60).text
    nonce = re.search(r'name="_wpnonce" value="([0-9a-f]+)"', page)
    assert nonce is not None
    fields = {"siteagent": "junk", "siteagent_log": "junk", "blogdescription": "Fresh bread"}
    answer = ana.session.post(
        f"{wp.url}/wp-admin/options.php",
        data={
            "action": "update",
            "option_page": "options",
            "_wpnonce": nonce[1],
            "page_options": ",".join(fields),
            **fields,
        },
        timeout=60,
    )
    assert answer.status_code == 200
    assert wp.evaluate("return get_option('blogdescription');") == "Fresh bread"
    assert paired.ask("ping").document["ok"] is True
    assert wp.evaluate("return siteagent()->audit_log_verifier()->verify();")["ok"] is True


def test_report_fields_are_listed_before_the_json_preview(wp, ana, paired) -> None:
    shown = words(ana.page("&tab=data").text)
    assert "Result of an update" in shown
    assert shown.index("and their purposes") < shown.index("Report preview")
