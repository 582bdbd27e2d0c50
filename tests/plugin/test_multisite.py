"""Multisite: one connection for the whole network, or one for each site."""

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
# As wp-admin does it: in a separate request, in which SiteAgent is no longer active.
_UNINSTALL = (
    _ADMIN
    + """
$GLOBALS['sent'] = array();
add_filter('pre_http_request', function ($_, $args, $url) {
    $GLOBALS['sent'][] = array($url, $args['body']);
    return array('response' => array('code' => 200), 'body' => '', 'headers' => array());
}, 10, 3);
uninstall_plugin('siteagent/siteagent.php');
return $GLOBALS['sent'];
"""
)
# Deactivate SiteAgent on all sites and remove its data.
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
# All names in the network's database that contain SiteAgent's name.
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
    """A WordPress network of a main site and two subsites."""

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
        """Return a network administrator, who sees the network settings."""
        main = self.main
        return Person(main.url, main.admin, main.password, "network/settings.php")

    @cached_property
    def baker(self) -> Person:
        """Return an administrator of the bakery, and of no other site."""
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
def network_active(network: Network) -> Network:
    """Activate SiteAgent for the whole network."""
    network.main.evaluate(_CLEAR + _ACTIVATE % "true")
    return network


@pytest.fixture
def separate(network: Network) -> Network:
    """Activate SiteAgent separately on each of the two subsites."""
    network.main.evaluate(_CLEAR)
    for site in (network.bakery, network.butcher):
        site.evaluate(_ACTIVATE % "false")
    return network


def connect(site: RealWordPress, *, origin: str = ORIGIN) -> Paired:
    """Connect a site as an administrator does, without the forms."""
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


def test_a_plugin_active_on_one_subsite_counts_as_active(network_active: Network) -> None:
    """The subsite's visitors get the new version, even if the main site does not use it (W15)."""
    desk = "contact-desk/contact-desk.php"
    paired = connect(network_active.main)
    network_active.main.evaluate(f"deactivate_plugins('{desk}');")
    item = {"kind": "plugin", "id": desk, "from": "2.3.1", "to": "2.4.0"}

    def active() -> tuple[bool, bool]:
        report = paired.ask("report", have=None).document["report"]
        (listed,) = [plugin for plugin in report["plugins"] if plugin["id"] == desk]
        checked = paired.ask("change.check", item=item).document["facts"]
        return listed["active"], checked["active"]

    assert active() == (False, False)
    network_active.bakery.evaluate(f"update_option('active_plugins', array('{desk}'));")
    assert active() == (True, True)
    check = "return (new Siteagent_Component('plugin', '%s'))->is_network_active();"
    assert network_active.main.evaluate(check % desk) is False


def test_a_network_has_one_connection_at_its_main_address(network_active: Network) -> None:
    ana = network_active.ana
    paired = connect_by_hand(network_active.main, ana)
    assert f"Connected to {ORIGIN}" in words(ana.page().text)
    assert paired.fingerprint in words(ana.page().text)
    report = paired.ask("report", have=None).document["report"]
    assert report["wordpress"]["multisite"] is True
    assert report["wordpress"]["home"] == network_active.main.url
    (siteagent,) = [plugin for plugin in report["plugins"] if plugin["name"] == "SiteAgent"]
    assert siteagent["network_active"] is True
    assert [state(site) for site in network_active.sites] == ["paired"] * 3


def test_a_network_answers_only_at_the_addresses_of_its_main_site(network_active: Network) -> None:
    paired = connect(network_active.main)
    endpoints = network_active.main.evaluate("return siteagent()->connection_store()->endpoints();")
    assert all(address.startswith(f"{network_active.main.url}/") for address in endpoints)
    for endpoint in endpoints:
        sent = ping(paired, url=endpoint)
        assert document_of(paired, sent, send(sent))["ok"] is True
    for endpoint in endpoints:
        subsite_endpoint = endpoint.replace(network_active.main.url, network_active.bakery.url)
        assert is_turned_away(send(ping(paired, url=subsite_endpoint)))
        assert is_turned_away(send(ping(paired, url=endpoint), url=subsite_endpoint))


def test_a_network_stores_its_data_with_the_main_site(network_active: Network) -> None:
    paired = connect(network_active.main)
    paired.ask("report", have=None)
    prefix = network_active.main.evaluate("return $GLOBALS['wpdb']->base_prefix;")
    tables = {f"{prefix}siteagent_{name}" for name in ("log", "checkpoint", "nonce", "operation")}
    stored = {trace for trace in network_active.traces() if "transient" not in trace}
    # This option exists only after a request without a valid key.
    stored.discard(f"{prefix}options siteagent_unauthenticated")
    # WP-Cron sends the e-mail that the site is connected.
    cron = f"{prefix}options cron"
    names = ("siteagent", "siteagent_log", "siteagent_release_sights")
    assert stored == {*tables, cron, *(f"sitemeta {name}" for name in names)}


def test_only_a_network_administrator_may_connect_the_network(network_active: Network) -> None:
    paired = connect(network_active.main)
    baker = network_active.baker
    assert baker.page().status_code == 403
    assert Person(baker.url, baker.login, "pw", "network/settings.php").page().status_code == 403
    for form in FORMS:
        nonce = network_active.bakery.evaluate(f"return wp_create_nonce('{form}');")
        assert baker.send(form, _wpnonce=nonce, token="x", replace="1").status_code == 403
    assert paired.ask("ping").document["ok"] is True


def test_only_a_network_administrator_sees_that_the_network_moved(network_active: Network) -> None:
    paired, ana, baker = connect(network_active.main), network_active.ana, network_active.baker
    network_active.main.evaluate("update_option('home', 'http://elsewhere.example');")
    try:
        with pytest.raises(CallError) as refused:
            paired.ask("ping")
        assert refused.value.evidence["code"] == "identity_changed"
        for page in ("network/", "network/plugins.php"):
            shown = ana.session.get(f"{network_active.main.url}/wp-admin/{page}", timeout=60).text
            assert "SiteAgent is paused" in shown
        bakers_page = baker.session.get(f"{network_active.bakery.url}/wp-admin/", timeout=60).text
        assert "SiteAgent is paused" not in bakers_page
        assert "What is this site?" in words(ana.page().text)
    finally:
        network_active.main.evaluate(f"update_option('home', '{network_active.main.url}');")


def test_a_deactivated_network_does_not_answer(network_active: Network) -> None:
    paired = connect(network_active.main)
    network_active.main.evaluate(_DEACTIVATE % "true")
    for path in ("/wp-json/siteagent/v1/rpc", "/bakery/wp-json/siteagent/v1/rpc"):
        assert requests.post(f"{network_active.main.url}{path}", timeout=30).status_code == 404
    network_active.main.evaluate(_ACTIVATE % "true")
    assert paired.ask("ping").document["ok"] is True


def test_uninstalling_on_a_network_notifies_the_dashboard(
    network_active: Network,
) -> None:
    connect(network_active.main).ask("report", have=None)
    paste(network_active.ana, "half a token")
    network_active.main.evaluate(_DEACTIVATE % "true")
    sent = network_active.main.evaluate(_UNINSTALL)
    assert [url for url, _ in sent] == [f"{ORIGIN}/agent/notice"]
    assert '"op":"disconnect"' in sent[0][1]
    assert network_active.traces() == []


# ---- one connection for each site ----


def test_two_sites_of_a_network_pair_separately(separate: Network) -> None:
    """Each site has its own administrator, who administers no other site."""
    bakery = connect(separate.bakery)
    butcher = connect(separate.butcher, origin="http://127.0.0.1:10")
    assert bakery.fingerprint != butcher.fingerprint
    for site, paired in ((separate.bakery, bakery), (separate.butcher, butcher)):
        report = paired.ask("report", have=None).document["report"]
        assert report["wordpress"]["home"] == site.url
    separate.bakery.evaluate("siteagent()->pairing()->disconnect('user:1');")
    with pytest.raises(CallError):
        bakery.ask("ping")
    assert butcher.ask("ping").document["ok"] is True


def test_a_request_for_one_site_is_unauthorized_on_another(separate: Network) -> None:
    bakery = connect(separate.bakery)
    connect(separate.butcher)
    other_endpoint = bakery.channel.endpoint.replace(separate.bakery.url, separate.butcher.url)
    assert is_turned_away(send(ping(bakery), url=other_endpoint))
    assert is_turned_away(send(ping(bakery, url=other_endpoint)))


def test_sites_of_a_network_keep_their_logs_and_nonces_apart(separate: Network) -> None:
    bakery = connect(separate.bakery)
    before = separate.butcher.evaluate("return siteagent()->audit_log_reader()->count();")
    head = head_of(bakery.ask("ping"))
    assert separate.butcher.evaluate("return siteagent()->audit_log_reader()->count();") == before
    assert head["n"] == separate.bakery.evaluate("return siteagent()->audit_log_reader()->count();")
    stored = {trace for trace in separate.traces() if "transient" not in trace}
    prefix = separate.bakery.evaluate("return $GLOBALS['wpdb']->prefix;")
    assert f"{prefix}siteagent_nonce" in stored
    assert f"{prefix}options siteagent" in stored
    assert not [trace for trace in stored if trace.startswith("sitemeta")]


def test_a_token_pasted_on_one_site_is_not_shown_on_another(separate: Network) -> None:
    """An administrator of both sites would see there that the token is for another site."""
    session = separate.ana.session
    bakery = Person(separate.bakery.url, session=session)
    butcher = Person(separate.butcher.url, session=session)
    paste(bakery, new_token(separate.bakery.url).text())
    assert "This token" not in words(butcher.page("&step=consent").text)
    assert ORIGIN in words(bakery.page("&step=consent").text)


def test_deleting_a_site_drops_its_tables(separate: Network) -> None:
    prefix = open_and_close_a_site(separate, within=separate.bakery)
    assert not [trace for trace in separate.traces() if trace.startswith(prefix)]


def test_uninstalling_notifies_the_dashboard_of_every_site(
    separate: Network,
) -> None:
    connect(separate.bakery)
    connect(separate.butcher, origin="http://127.0.0.1:10")
    paste(separate.baker, "half a token")
    # SiteAgent does not run on the main site, so these tables are not dropped.
    prefix = open_and_close_a_site(separate, within=separate.main)
    assert [trace for trace in separate.traces() if trace.startswith(prefix)]
    for site in (separate.bakery, separate.butcher):
        site.evaluate(_DEACTIVATE % "false")
    sent = separate.main.evaluate(_UNINSTALL)
    assert sorted(url for url, _ in sent) == [
        "http://127.0.0.1:10/agent/notice",
        f"{ORIGIN}/agent/notice",
    ]
    assert separate.traces() == []


def open_and_close_a_site(network: Network, *, within: RealWordPress) -> str:
    """Add a site with SiteAgent, delete it by a request to `within`; return its table prefix."""
    florist = network.main.add_site("florist")
    prefix = florist.evaluate(_ACTIVATE % "false" + "return $GLOBALS['wpdb']->prefix;")
    deletes = "wp_delete_site(get_sites(array('path' => '/florist/'))[0]->blog_id);"
    within.evaluate(_ADMIN + deletes)
    return prefix


def test_a_site_keeps_its_connection_through_network_activation(
    separate: Network,
) -> None:
    """Network activation starts another connection; deactivating returns to the former one."""
    paired = connect(separate.bakery)
    separate.main.evaluate(_ACTIVATE % "true")
    assert is_turned_away(send(ping(paired)))
    assert state(separate.bakery) == "unpaired"
    separate.main.evaluate(_DEACTIVATE % "true")
    assert paired.ask("ping").document["ok"] is True


# What change.run does first; the lock on the files ends with the process.
_BEGIN_RUN = """
global $wpdb;
$rollback = new Siteagent_Rollback(new Siteagent_Option_Store($wpdb, false));
$begun = $rollback->begin_run('%s', array(), time());
return array($begun, $begun ? basename($rollback->current_run()['folder']) : '');
"""
_FORGET_RUNS = """
delete_option('siteagent');
switch_to_blog(get_main_site_id());
delete_option('auto_updater.lock');
restore_current_blog();
Siteagent_Filesystem::remove(Siteagent_Rollback::base_folder());
"""


@pytest.fixture
def idle(separate: Network) -> Iterator[Network]:
    """Make sure that no site of the network has an update in progress, before and after."""
    for site in (separate.bakery, separate.butcher):
        site.evaluate(_FORGET_RUNS)
    yield separate
    for site in (separate.bakery, separate.butcher):
        site.evaluate(_FORGET_RUNS)


def begin_run(site: RealWordPress, op_id: str) -> tuple[bool, str]:
    begun, folder = site.evaluate(_BEGIN_RUN % op_id)
    return begun, folder


def test_only_one_site_of_a_network_is_updated_at_a_time(idle: Network) -> None:
    assert begin_run(idle.bakery, "11111111-1111-4111-8111-111111111111")[0] is True
    assert begin_run(idle.butcher, "22222222-2222-4222-8222-222222222222")[0] is False
    # WordPress's automatic updates run only on the main site, and wait as well.
    held = "return (int) get_option('auto_updater.lock') > 0;"
    assert idle.main.evaluate(held) is True
    assert idle.bakery.evaluate(held) is False


def test_no_update_begins_while_another_site_is_on_probation(idle: Network) -> None:
    _, folder = begin_run(idle.bakery, "11111111-1111-4111-8111-111111111111")
    settle = (
        "$f = Siteagent_Rollback::base_folder() . '/%s/' . Siteagent_Rollback_Watchdog::SETTLED;"
        "Siteagent_Filesystem::write_atomically($f, (string) (time() + %d));"
        "switch_to_blog(get_main_site_id());"
        "delete_option('auto_updater.lock'); restore_current_blog();"
    )
    idle.bakery.evaluate(settle % (folder, 600))
    assert begin_run(idle.butcher, "22222222-2222-4222-8222-222222222222")[0] is False
    idle.bakery.evaluate(settle % (folder, -1))
    assert begin_run(idle.butcher, "33333333-3333-4333-8333-333333333333")[0] is True
