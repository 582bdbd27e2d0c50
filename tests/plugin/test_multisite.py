"""A network of sites: one connection for all of them, or one for each site that wants one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import pytest
import requests

from app.http.site_client import CallError
from tests.plugin.support.dashboard import ORIGIN, Paired, head_of, new_token, pair
from tests.plugin.support.forms import FORMS, agree, paste
from tests.plugin.support.real_wordpress import RealWordPress
from tests.plugin.support.signed_requests import document_of, is_turned_away, ping, send
from tests.plugin.support.wp_admin import Person, words
from tests.support.selection import WORDPRESSES
from tests.wordpress.site import WordPress

_SITEAGENT = "'siteagent/siteagent.php'"
_ADMIN = "require_once ABSPATH . 'wp-admin/includes/admin.php';"
_ACTIVATE = _ADMIN + "activate_plugin(" + _SITEAGENT + ", '', %s);"
_DEACTIVATE = _ADMIN + "deactivate_plugins(" + _SITEAGENT + ", false, %s);"
# As wp-admin does it: in a request of its own, in which SiteAgent is not active any more.
_UNINSTALL = (
    _ADMIN
    + """
$GLOBALS['told'] = array();
add_filter('pre_http_request', function ($_, $args, $url) {
    $GLOBALS['told'][] = array($url, $args['body']);
    return array('response' => array('code' => 200), 'body' => '', 'headers' => array());
}, 10, 3);
uninstall_plugin('siteagent/siteagent.php');
return $GLOBALS['told'];
"""
)
# Active nowhere, and nothing left.
_CLEAR = (
    _ADMIN
    + """
deactivate_plugins('siteagent/siteagent.php', true, true);
foreach (get_sites(array('fields' => 'ids')) as $id) {
    switch_to_blog($id);
    deactivate_plugins('siteagent/siteagent.php', true, false);
    restore_current_blog();
}
add_filter('pre_http_request', '__return_true');
uninstall_plugin('siteagent/siteagent.php');
"""
)
# Whatever carries SiteAgent's name in the database of the whole network.
_TRACES = """
global $wpdb;
$found = $wpdb->get_col("SHOW TABLES LIKE '%siteagent%'");
$like = '%siteagent%';
foreach ($wpdb->get_col("SHOW TABLES LIKE '%options'") as $table) {
    foreach ($wpdb->get_results("SELECT option_name AS n, option_value AS v FROM $table") as $row) {
        if (false !== strpos($row->n, 'siteagent')) { $found[] = "$table $row->n"; }
        if ('cron' === $row->n && false !== strpos($row->v, 'siteagent')) {
            $found[] = "$table cron";
        }
    }
}
$names = $wpdb->get_col("SELECT meta_key FROM $wpdb->sitemeta WHERE meta_key LIKE '%siteagent%'");
foreach ($names as $name) { $found[] = "sitemeta $name"; }
foreach ($wpdb->get_col("SELECT meta_key FROM $wpdb->usermeta WHERE meta_key LIKE '$like'") as $n) {
    $found[] = "usermeta $n";
}
return $found;
"""


@dataclass
class Network:
    """The main site and two below it, on one WordPress."""

    main: RealWordPress
    bakery: RealWordPress
    butcher: RealWordPress

    @property
    def sites(self) -> tuple[RealWordPress, ...]:
        return (self.main, self.bakery, self.butcher)

    def traces(self) -> list[str]:
        return self.main.evaluate(_TRACES)

    @cached_property
    def ana(self) -> Person:
        """Runs the network; sees the settings that are for all of it."""
        main = self.main
        return Person(main.url, main.admin, main.password, "network/settings.php")

    @cached_property
    def baker(self) -> Person:
        """An administrator of the bakery, and of no other site."""
        return self._administrator_of(self.bakery)

    def _administrator_of(self, site: RealWordPress) -> Person:
        site.evaluate(
            "$id = wp_create_user('baker', 'pw', 'baker@example.com');"
            "add_user_to_blog(get_current_blog_id(), $id, 'administrator');"
        )
        return Person(site.url, "baker", "pw")


@pytest.fixture(scope="module", params=WORDPRESSES)
def network(request: pytest.FixtureRequest) -> Iterator[Network]:
    started = WordPress.start(request.param, siteagent="installed", network="paths")
    main = RealWordPress(started)
    yield Network(main, main.add_site("bakery"), main.add_site("butcher"))
    started.stop()


@pytest.fixture
def shared(network: Network) -> Network:
    """SiteAgent is activated for the whole network."""
    network.main.evaluate(_CLEAR + _ACTIVATE % "true")
    return network


@pytest.fixture
def apart(network: Network) -> Network:
    """SiteAgent is activated on the two sites below, each for itself."""
    network.main.evaluate(_CLEAR)
    for site in (network.bakery, network.butcher):
        site.evaluate(_ACTIVATE % "false")
    return network


def connect(site: RealWordPress, *, origin: str = ORIGIN) -> Paired:
    """What an administrator's consent does, without the forms."""
    token = new_token(site.url, origin=origin)
    accept = "$p = siteagent()->pairing(); $p->accept($p->read_token('%s'), true, 'user:1');"
    site.evaluate(accept % token.text())
    return pair(token)


def connect_by_hand(site: RealWordPress, person: Person) -> Paired:
    token = new_token(site.url)
    agree(person, token.text())
    return pair(token)


def state(site: RealWordPress) -> str:
    return site.evaluate("return siteagent()->connection_store()->state();")


# ---- one connection for all sites ----


def test_a_plugin_active_on_one_site_below_counts_as_active(shared: Network) -> None:
    """Its visitors meet the new version, whatever the main site uses (W15)."""
    desk = "contact-desk/contact-desk.php"
    paired = connect(shared.main)
    shared.main.evaluate(f"deactivate_plugins('{desk}');")
    item = {"kind": "plugin", "id": desk, "from": "2.3.1", "to": "2.4.0"}

    def active() -> tuple[bool, bool]:
        report = paired.ask("report", have=None).document["report"]
        (told,) = [one for one in report["plugins"] if one["id"] == desk]
        checked = paired.ask("change.check", item=item).document["facts"]
        return told["active"], checked["active"]

    assert active() == (False, False)
    shared.bakery.evaluate(f"update_option('active_plugins', array('{desk}'));")
    assert active() == (True, True)
    network_active = "return (new Siteagent_Component('plugin', '%s'))->is_network_active();"
    assert shared.main.evaluate(network_active % desk) is False


def test_a_network_has_one_connection_at_its_main_address(shared: Network) -> None:
    ana = shared.ana
    paired = connect_by_hand(shared.main, ana)
    assert f"Connected to {ORIGIN}" in words(ana.page().text)
    assert paired.fingerprint in words(ana.page().text)
    report = paired.ask("report", have=None).document["report"]
    assert report["wordpress"]["multisite"] is True
    assert report["wordpress"]["home"] == shared.main.url
    (siteagent,) = [one for one in report["plugins"] if one["name"] == "SiteAgent"]
    assert siteagent["network_active"] is True
    assert [state(site) for site in shared.sites] == ["paired"] * 3


def test_a_network_is_called_at_the_addresses_of_its_main_site_alone(shared: Network) -> None:
    paired = connect(shared.main)
    known = shared.main.evaluate("return siteagent()->connection_store()->endpoints();")
    assert all(one.startswith(f"{shared.main.url}/") for one in known)
    for endpoint in known:
        sent = ping(paired, url=endpoint)
        assert document_of(paired, sent, send(sent))["ok"] is True
    for endpoint in known:
        there = endpoint.replace(shared.main.url, shared.bakery.url)
        assert is_turned_away(send(ping(paired, url=there)))
        assert is_turned_away(send(ping(paired, url=endpoint), url=there))


def test_what_a_network_stores_lies_beside_its_main_site(shared: Network) -> None:
    paired = connect(shared.main)
    paired.ask("report", have=None)
    prefix = shared.main.evaluate("return $GLOBALS['wpdb']->base_prefix;")
    tables = {f"{prefix}siteagent_{name}" for name in ("log", "checkpoint", "nonce", "operation")}
    lasting = {one for one in shared.traces() if "transient" not in one}
    # Once a stranger has called, the main site counts them.
    lasting.discard(f"{prefix}options siteagent_unauthenticated")
    # The e-mail that the site is connected waits there for WP-Cron.
    cron = f"{prefix}options cron"
    names = ("siteagent", "siteagent_log", "siteagent_release_sights")
    assert lasting == {*tables, cron, *(f"sitemeta {name}" for name in names)}


def test_nobody_but_who_runs_the_network_may_connect_it(shared: Network) -> None:
    paired = connect(shared.main)
    admin = shared.baker
    assert admin.page().status_code == 403
    assert Person(admin.url, admin.login, "pw", "network/settings.php").page().status_code == 403
    for form in FORMS:
        nonce = shared.bakery.evaluate(f"return wp_create_nonce('{form}');")
        assert admin.send(form, _wpnonce=nonce, token="x", replace="1").status_code == 403
    assert paired.ask("ping").document["ok"] is True


def test_a_network_that_moved_reminds_who_runs_it_and_nobody_else(shared: Network) -> None:
    paired, ana, admin = connect(shared.main), shared.ana, shared.baker
    shared.main.evaluate("update_option('home', 'http://elsewhere.example');")
    try:
        with pytest.raises(CallError) as refused:
            paired.ask("ping")
        assert refused.value.evidence["code"] == "identity_changed"
        for page in ("network/", "network/plugins.php"):
            shown = ana.session.get(f"{shared.main.url}/wp-admin/{page}", timeout=60).text
            assert "SiteAgent is paused" in shown
        theirs = admin.session.get(f"{shared.bakery.url}/wp-admin/", timeout=60).text
        assert "SiteAgent is paused" not in theirs
        assert "What is this site?" in words(ana.page().text)
    finally:
        shared.main.evaluate(f"update_option('home', '{shared.main.url}');")


def test_a_network_that_is_deactivated_is_dormant(shared: Network) -> None:
    paired = connect(shared.main)
    shared.main.evaluate(_DEACTIVATE % "true")
    for path in ("/wp-json/siteagent/v1/rpc", "/bakery/wp-json/siteagent/v1/rpc"):
        assert requests.post(f"{shared.main.url}{path}", timeout=30).status_code == 404
    shared.main.evaluate(_ACTIVATE % "true")
    assert paired.ask("ping").document["ok"] is True


def test_deleting_it_from_a_network_notifies_the_dashboard_and_leaves_nothing(
    shared: Network,
) -> None:
    connect(shared.main).ask("report", have=None)
    paste(shared.ana, "half a token")
    shared.main.evaluate(_DEACTIVATE % "true")
    told = shared.main.evaluate(_UNINSTALL)
    assert [url for url, _ in told] == [f"{ORIGIN}/agent/notice"]
    assert '"op":"disconnect"' in told[0][1]
    assert shared.traces() == []


# ---- one connection for each site ----


def test_two_sites_of_a_network_pair_for_themselves(apart: Network) -> None:
    """Each with an administrator of its own, who runs nothing else."""
    bakery = connect(apart.bakery)
    butcher = connect(apart.butcher, origin="http://127.0.0.1:10")
    assert bakery.fingerprint != butcher.fingerprint
    for site, paired in ((apart.bakery, bakery), (apart.butcher, butcher)):
        report = paired.ask("report", have=None).document["report"]
        assert report["wordpress"]["home"] == site.url
    apart.bakery.evaluate("siteagent()->pairing()->disconnect('user:1');")
    with pytest.raises(CallError):
        bakery.ask("ping")
    assert butcher.ask("ping").document["ok"] is True


def test_a_request_for_one_site_is_turned_away_by_its_neighbour(apart: Network) -> None:
    bakery = connect(apart.bakery)
    connect(apart.butcher)
    there = bakery.channel.endpoint.replace(apart.bakery.url, apart.butcher.url)
    assert is_turned_away(send(ping(bakery), url=there))
    assert is_turned_away(send(ping(bakery, url=there)))


def test_sites_of_a_network_keep_their_logs_and_nonces_apart(apart: Network) -> None:
    bakery = connect(apart.bakery)
    before = apart.butcher.evaluate("return siteagent()->audit_log_reader()->count();")
    head = head_of(bakery.ask("ping"))
    assert apart.butcher.evaluate("return siteagent()->audit_log_reader()->count();") == before
    assert head["n"] == apart.bakery.evaluate("return siteagent()->audit_log_reader()->count();")
    stored = {one for one in apart.traces() if "transient" not in one}
    prefix = apart.bakery.evaluate("return $GLOBALS['wpdb']->prefix;")
    assert f"{prefix}siteagent_nonce" in stored
    assert f"{prefix}options siteagent" in stored
    assert not [one for one in stored if one.startswith("sitemeta")]


def test_a_token_pasted_on_one_site_is_not_at_hand_on_another(apart: Network) -> None:
    """Whoever administers both would be told there that the token is for another site."""
    session = apart.ana.session
    here = Person(apart.bakery.url, session=session)
    there = Person(apart.butcher.url, session=session)
    paste(here, new_token(apart.bakery.url).text())
    assert "This token" not in words(there.page("&step=consent").text)
    assert ORIGIN in words(here.page("&step=consent").text)


def test_a_site_that_is_deleted_takes_its_tables_along(apart: Network) -> None:
    prefix = open_and_close_a_site(apart, within=apart.bakery)
    assert not [one for one in apart.traces() if one.startswith(prefix)]


def test_deleting_it_notifies_the_dashboard_for_every_site_and_leaves_nothing(
    apart: Network,
) -> None:
    connect(apart.bakery)
    connect(apart.butcher, origin="http://127.0.0.1:10")
    paste(apart.baker, "half a token")
    # SiteAgent does not run on the main site, so nobody takes these tables along.
    prefix = open_and_close_a_site(apart, within=apart.main)
    assert [one for one in apart.traces() if one.startswith(prefix)]
    for site in (apart.bakery, apart.butcher):
        site.evaluate(_DEACTIVATE % "false")
    told = apart.main.evaluate(_UNINSTALL)
    assert sorted(url for url, _ in told) == [
        "http://127.0.0.1:10/agent/notice",
        f"{ORIGIN}/agent/notice",
    ]
    assert apart.traces() == []


def open_and_close_a_site(network: Network, *, within: RealWordPress) -> str:
    """One more site with SiteAgent on it, deleted by a request to `within`; its table prefix."""
    florist = network.main.add_site("florist")
    prefix = florist.evaluate(_ACTIVATE % "false" + "return $GLOBALS['wpdb']->prefix;")
    deletes = "wp_delete_site(get_sites(array('path' => '/florist/'))[0]->blog_id);"
    within.evaluate(_ADMIN + deletes)
    return prefix


def test_a_connection_of_one_site_outlives_a_change_to_the_whole_network(
    apart: Network,
) -> None:
    """Activating for all of them starts another connection, and going back finds the old one."""
    paired = connect(apart.bakery)
    apart.main.evaluate(_ACTIVATE % "true")
    assert is_turned_away(send(ping(paired)))
    assert state(apart.bakery) == "unpaired"
    apart.main.evaluate(_DEACTIVATE % "true")
    assert paired.ask("ping").document["ok"] is True


# What change.run does first; the lock on the files goes with the process.
_BEGIN = """
global $wpdb;
$rollback = new Siteagent_Rollback(new Siteagent_Option_Store($wpdb, false));
$begun = $rollback->begin_run('%s', array(), time());
return array($begun, $begun ? basename($rollback->current_run()['folder']) : '');
"""
_FORGET = """
delete_option('siteagent');
switch_to_blog(get_main_site_id());
delete_option('auto_updater.lock');
restore_current_blog();
Siteagent_Filesystem::remove(Siteagent_Rollback::base_folder());
"""


@pytest.fixture
def idle(apart: Network) -> Iterator[Network]:
    """No site of the network has an update under way, before and afterwards."""
    for site in (apart.bakery, apart.butcher):
        site.evaluate(_FORGET)
    yield apart
    for site in (apart.bakery, apart.butcher):
        site.evaluate(_FORGET)


def begin(site: RealWordPress, op_id: str) -> tuple[bool, str]:
    begun, folder = site.evaluate(_BEGIN % op_id)
    return begun, folder


def test_of_two_sites_that_share_their_files_one_is_updated_at_a_time(idle: Network) -> None:
    assert begin(idle.bakery, "11111111-1111-4111-8111-111111111111")[0] is True
    assert begin(idle.butcher, "22222222-2222-4222-8222-222222222222")[0] is False
    # WordPress's automatic updates run on the main site alone, and wait as well.
    held = "return (int) get_option('auto_updater.lock') > 0;"
    assert idle.main.evaluate(held) is True
    assert idle.bakery.evaluate(held) is False


def test_while_an_update_of_one_site_is_watched_no_other_begins(idle: Network) -> None:
    _, folder = begin(idle.bakery, "11111111-1111-4111-8111-111111111111")
    settle = (
        "$f = Siteagent_Rollback::base_folder() . '/%s/' . Siteagent_Rollback_Watchdog::SETTLED;"
        "Siteagent_Filesystem::write_atomically($f, (string) (time() + %d));"
        "switch_to_blog(get_main_site_id());"
        "delete_option('auto_updater.lock'); restore_current_blog();"
    )
    idle.bakery.evaluate(settle % (folder, 600))
    assert begin(idle.butcher, "22222222-2222-4222-8222-222222222222")[0] is False
    idle.bakery.evaluate(settle % (folder, -1))
    assert begin(idle.butcher, "33333333-3333-4333-8333-333333333333")[0] is True
