"""The connection test with real servers: each obstacle before a real site is named."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator

import pytest
import requests

from app.config import Config
from app.domain.actor import Actor
from app.domain.connection import calls, pairing
from app.domain.diagnostics.examine import examine
from app.domain.diagnostics.results import ANSWERS, BLOCKED, HEALTHY, OK, SKIPPED, WARN, Diagnosis
from app.models.base import utcnow
from app.models.sites import Site
from tests.rigs.rigs import FRONTS, SERVERS, Rig, Rigs
from tests.support.factories import make_site
from tests.support.fakes import RecordingQueue
from tests.wordpress.engine import docker

pytestmark = pytest.mark.nightly

# Check and finding, for a paired site and for strangers; None: strangers are answered as ever.
Named = tuple[str, str]
NAMED: dict[str, tuple[Named, Named | None]] = {
    "always-online": (("pretty", "web_page"), ("pretty", "web_page")),
    "captcha": (("challenge", "challenged"), ("challenge", "challenged")),
    "challenge": (("challenge", "challenged"), ("challenge", "challenged")),
    "charset": (("headers", "content_type_changed"), ("headers", "content_type_changed")),
    "compressor": (("body", "encoded_reply"), None),
    "drops-reply-headers": (("headers", "unsigned_reply"), None),
    "drops-request-headers": (("headers", "headers_stripped"), ("headers", "headers_stripped")),
    "firewall": (("challenge", "blocked"), ("challenge", "blocked")),
    "maintenance": (("website", "server_error"), ("website", "server_error")),
    "mod-security": (("challenge", "blocked"), ("challenge", "blocked")),
    "off": (("tcp", "connection_refused"), ("tcp", "connection_refused")),
    "origin-down": (("website", "server_error"), ("website", "server_error")),
    "password": (("password", "password_asked"), ("password", "password_asked")),
    "rate-limit": (("challenge", "too_many"), ("challenge", "too_many")),
    "redirect": (("redirect", "redirected"), ("redirect", "redirected")),
    "rewriter": (("body", "digest_mismatch"), None),
    "stale-reply": (("cache", "cached_answer"), ("cache", "cached_answer")),
}
RECOGNISED = {"firewall": "Sucuri", "mod-security": "ModSecurity", "captcha": "SiteGround"}
# These answer rightly until they remember something; "stale-page" has tests of its own.
FORGETFUL = ("stale-page", "stale-reply")
# PHP's code cache looks at a file again after opcache.revalidate_freq seconds.
_REVALIDATED_AFTER_S = 2.5


@pytest.fixture
def bakery(rig: Rig, ana: Actor, config: Config, jobs: RecordingQueue) -> Site:
    """Paired through the honest proxy."""
    rig.turn("proxy")
    return paired_at(rig, ana, config)


def paired_at(rig: Rig, ana: Actor, config: Config) -> Site:
    site = make_site(ana, now=utcnow(), url=rig.url)
    token, text = pairing.issue_token(site, by=ana, config=config, now=utcnow())
    rig.accept(text)
    assert pairing.attempt_pairing(token.id, config=config) == "used"
    site.refresh()
    return site


def diagnosed(site: Site, config: Config) -> Diagnosis:
    channel = calls.channel_to(site, config)
    return examine(site.url, channel=channel, by="Ana", config=config)[0]


def looked_at(rig: Rig, config: Config) -> Diagnosis:
    return examine(rig.url, by="Ana", config=config)[0]


def check(found: Diagnosis, name: str) -> tuple[str, str]:
    one = next(one for one in found.checks if one.name == name)
    return one.verdict, one.finding


def assert_blocked_by(found: Diagnosis, named: Named) -> None:
    blocker = found.blocker
    assert blocker is not None, found.checks
    assert (blocker.name, blocker.finding) == named
    assert found.verdict == BLOCKED
    place = [one.name for one in found.checks].index(blocker.name)
    behind = [one for one in found.checks[place + 1 :] if one.name in ("echo", "clock")]
    assert {one.verdict for one in behind} <= {SKIPPED}


def test_every_front_is_named() -> None:
    assert sorted([*NAMED, "proxy", "stale-page"]) == sorted(FRONTS)


@pytest.mark.parametrize("front", NAMED)
def test_an_obstacle_before_a_paired_site_is_named(
    rig: Rig, bakery: Site, config: Config, front: str
) -> None:
    rig.turn(front)
    if front in FORGETFUL:
        # It answers the second signed call with what it kept of the first one.
        assert diagnosed(bakery, config).blocker.name == "report"
    found = diagnosed(bakery, config)
    assert_blocked_by(found, NAMED[front][0])
    if front in RECOGNISED:
        assert found.blocker is not None
        assert found.blocker.evidence["recognised_as"] == RECOGNISED[front]


@pytest.mark.parametrize("front", [front for front in NAMED if front not in FORGETFUL])
def test_an_obstacle_before_an_unpaired_site_is_named(rig: Rig, config: Config, front: str) -> None:
    rig.turn(front)
    named = NAMED[front][1]
    found = looked_at(rig, config)
    if named is None:
        assert (found.verdict, check(found, "echo")) == (ANSWERS, (SKIPPED, "not_paired"))
    else:
        assert_blocked_by(found, named)


def test_compression_is_found_on_the_index_before_pairing(rig: Rig, config: Config) -> None:
    rig.turn("compressor")
    assert check(looked_at(rig, config), "body") == (WARN, "encoded_reply")


def test_a_cache_is_named_before_pairing_too(rig: Rig, bakery: Site, config: Config) -> None:
    rig.turn("stale-reply")
    assert diagnosed(bakery, config).blocker.name == "report"
    found = looked_at(rig, config)
    assert check(found, "cache") == (WARN, "cached_answer")
    assert check(found, "plain") == (OK, "answers")


def test_a_page_in_place_of_a_reply_is_from_a_cache(rig: Rig, bakery: Site, config: Config) -> None:
    """The cache ignores the query, so the address with a query gets the front page."""
    rig.turn("stale-page")
    assert "Harbour Bakery" in requests.get(rig.url, timeout=30).text
    found = diagnosed(bakery, config)
    assert found.blocker.name == "report"
    assert check(found, "cache") == (WARN, "cached_answer")
    assert check(found, "pretty") == (OK, "answers")


def test_a_site_behind_an_honest_proxy_is_healthy(rig: Rig, bakery: Site, config: Config) -> None:
    found = diagnosed(bakery, config)
    assert found.verdict == HEALTHY
    assert {one.verdict for one in found.checks if one.name != "tls"} == {OK}
    assert looked_at(rig, config).verdict == ANSWERS


@pytest.mark.parametrize("server", SERVERS)
def test_a_site_on_every_server_is_healthy(
    rigs: Rigs, server: str, ana: Actor, config: Config, jobs: RecordingQueue
) -> None:
    with rigs.at(server) as here:
        before = looked_at(here, config)
        assert (before.verdict, check(before, "headers")) == (ANSWERS, (OK, "headers_arrive"))
        assert check(before, "body") == (OK, "body_length")
        found = diagnosed(paired_at(here, ana, config), config)
    assert found.verdict == HEALTHY
    assert {one.verdict for one in found.checks if one.name != "tls"} == {OK}


def test_a_site_in_a_folder_is_healthy(
    rigs: Rigs, ana: Actor, config: Config, jobs: RecordingQueue
) -> None:
    with rigs.at("folder") as here:
        assert looked_at(here, config).verdict == ANSWERS
        found = diagnosed(paired_at(here, ana, config), config)
    assert found.verdict == HEALTHY


# ---- what WordPress itself puts in the way

LOUD = """<?php
ini_set('display_errors', '1');
$sum = 1 + $nobody_set_this;
echo str_repeat("\\n", 5000);
"""
CLOSED = """<?php
add_filter('rest_authentication_errors', function () {
    return new WP_Error('rest_not_logged_in', 'No visitors here.', array('status' => 401));
});
"""


@pytest.fixture(scope="module")
def apache(rigs: Rigs) -> Iterator[Rig]:
    with rigs.at("apache-mod-php") as here:
        yield here


@pytest.fixture
def must_use(apache: Rig) -> Iterator[Callable[[str], None]]:
    """Puts a must-use plugin on the site until the test is over; the site may not survive it."""
    path = f"{apache.site.root}/wp-content/mu-plugins/diagnose-test.php"

    def put(code: str) -> None:
        into = ("exec", "-i", apache.site.container, "sh", "-c", f"cat > {path}")
        docker(*into, stdin=code.encode())
        # Its code cache may know the file of this name from the test before.
        time.sleep(_REVALIDATED_AFTER_S)

    yield put
    docker("exec", apache.site.container, "rm", "-f", path)


def test_output_before_the_reply_is_named_with_file_and_line(
    apache: Rig, must_use: Callable[[str], None], ana: Actor, config: Config, jobs: RecordingQueue
) -> None:
    site = paired_at(apache, ana, config)
    must_use(LOUD)
    for found in (diagnosed(site, config), looked_at(apache, config)):
        assert_blocked_by(found, ("output", "output_before"))
        assert found.blocker is not None
        assert found.blocker.evidence["printed_by"] == "mu-plugins/diagnose-test.php:3"
    must_use("<?php // fixed")
    found = diagnosed(site, config)
    assert (found.verdict, check(found, "output")) == (HEALTHY, (WARN, "output_seen"))
    file_and_line = next(one for one in found.checks if one.name == "output").evidence["printed_by"]
    assert str(file_and_line).startswith("diagnose-test.php:")


def test_a_rest_api_that_is_closed_to_visitors_does_not_keep_aura_away(
    apache: Rig, must_use: Callable[[str], None], ana: Actor, config: Config, jobs: RecordingQueue
) -> None:
    must_use(CLOSED)
    found = diagnosed(paired_at(apache, ana, config), config)
    assert (found.verdict, check(found, "rest_index")) == (HEALTHY, (WARN, "rest_closed"))


def test_plain_permalinks_do_not_keep_aura_away(
    apache: Rig, ana: Actor, config: Config, jobs: RecordingQueue
) -> None:
    pretty = apache.evaluate("return get_option('permalink_structure');")
    apache.evaluate("update_option('permalink_structure', ''); flush_rewrite_rules(true);")
    found = diagnosed(paired_at(apache, ana, config), config)
    apache.evaluate(
        f"update_option('permalink_structure', {json.dumps(pretty)}); flush_rewrite_rules(true);"
    )
    assert (found.verdict, check(found, "plain")) == (HEALTHY, (OK, "answers"))
    assert check(found, "rest_index") == (OK, "index_lists")


def test_a_missing_siteagent_is_reported(apache: Rig, config: Config) -> None:
    plugin = "'siteagent/siteagent.php'"
    admin = "require_once ABSPATH . 'wp-admin/includes/plugin.php';"
    apache.evaluate(f"{admin} deactivate_plugins({plugin});")
    found = looked_at(apache, config)
    apache.evaluate(f"{admin} return activate_plugin({plugin});")
    assert_blocked_by(found, ("rest_index", "index_without"))
    assert looked_at(apache, config).verdict == ANSWERS


def test_a_fatal_error_is_reported(
    apache: Rig, must_use: Callable[[str], None], config: Config
) -> None:
    must_use("<?php http_response_code(500); exit('Error establishing a database connection');")
    assert_blocked_by(looked_at(apache, config), ("website", "server_error"))
