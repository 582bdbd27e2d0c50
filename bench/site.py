"""The cost of SiteAgent on a real WordPress: for calls, and for other pages."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import requests

from app import protocol
from bench import site_pin, site_update
from bench.measure import Figure, interleaved
from tests.plugin.support.dashboard import Paired, checkpoint_of, new_token, pair
from tests.plugin.support.probe import PROBE, look, must_use
from tests.plugin.support.real_wordpress import RealWordPress
from tests.wordpress.site import WordPress

_BENCH = Path(__file__).with_name("bench.php")
_SIGNING = Path(__file__).with_name("wire.php")
_ROUNDS = 100
# PHP looks for changed files every two seconds.
_OPCACHE_S = 2.5
_ROUTE = "/wp-json/siteagent/v1/rpc"
# What a site of some age has: plugins, and a log as long as it is kept.
_PLUGINS, _ENTRIES = 26, 10_000
_FURNISH = """
for ($i = 0; $i < %d; $i++) {
    wp_mkdir_p(WP_PLUGIN_DIR . "/bench-$i");
    file_put_contents(WP_PLUGIN_DIR . "/bench-$i/bench-$i.php",
        "<?php /*\nPlugin Name: Bench $i\nVersion: 1.$i\nAuthor: Bench\n*/");
    $active[] = "bench-$i/bench-$i.php";
}
update_option('active_plugins', array_merge(get_option('active_plugins'), $active));
wp_cache_delete('plugins', 'plugins');
return 0;
"""
_FILL_LOG = (
    "for ($i = 0; $i < 1000; $i++) { siteagent()->audit_log()->append('answered',"
    " array('operation' => 'report', 'by' => 'Ben', 'nonce' => md5((string) $i)), 'dashboard'); }"
    " return 0;"
)
# WordPress asks once a week whether this PHP is still supported, and remembers the answer.
_REMEMBER_PHP = (
    "set_site_transient('php_check_' . md5(PHP_VERSION), array('recommended_version' => '8.3',"
    "'minimum_version' => '7.4', 'is_supported' => true, 'is_secure' => true,"
    "'is_acceptable' => true), WEEK_IN_SECONDS);"
)


def figures(which: str) -> Iterator[Figure]:
    """All figures of the machine `which`, on a fresh site with a connection."""
    with _site(which) as wp:
        paired = _connect(wp)
        with must_use(wp, _BENCH):
            time.sleep(_OPCACHE_S)
            yield from _answers(wp, paired)
            yield from _pages(wp)
        yield from _signing(wp)
        yield from site_update.figures(wp, paired)
        yield from site_pin.figures(wp)
        with must_use(wp, PROBE):
            yield from _weight(wp)


@contextmanager
def _site(which: str) -> Iterator[RealWordPress]:
    site = WordPress.start(which)
    try:
        yield RealWordPress(site)
    finally:
        site.stop()


def _connect(wp: RealWordPress) -> Paired:
    token = new_token(wp.url)
    agree = "$p = siteagent()->pairing(); $p->accept($p->read_token('%s'), true, 'user:1');"
    wp.evaluate(agree % token.text() + _REMEMBER_PHP)
    paired = pair(token)
    wp.evaluate(_FURNISH % _PLUGINS)
    for _ in range(_ENTRIES // 1000):
        wp.evaluate(_FILL_LOG)
    return paired


class _Caller:
    """Calls as Aura does, over one connection, so that connecting is not measured."""

    def __init__(self, wp: RealWordPress, paired: Paired) -> None:
        self._url, self._paired, self._channel = wp.url, paired, paired.channel
        self._session = requests.Session()
        self._calls = 0
        self._head: dict[str, object] | None = None

    def nothing(self) -> None:
        self._post(f"{self._url}/wp-json/bench/v1/nothing", b"{}", {})

    def stranger(self) -> None:
        headers = {"Content-Type": "application/json"}
        self._session.post(self._url + _ROUTE, data=b"{}", headers=headers, timeout=30)

    def ask(self, op: str, **arguments: object) -> dict[str, Any]:
        self._calls += 1
        checkpoint = checkpoint_of(self._paired, self._calls, int(time.time()))
        log_fields = {"log": self._head, "checkpoint": checkpoint}
        sent = protocol.sign_request(
            self._url + _ROUTE,
            protocol.canonical({"v": 1, "op": op, "by": "Ben", **log_fields, **arguments}),
            key=self._channel.send_key,
            keyid=self._channel.keyid,
            created=int(time.time()),
            nonce=protocol.new_nonce(),
        )
        document = dict(self._post(sent.url, sent.body, sent.headers).json())
        own = protocol.parse_json(protocol.from_b64u(document["checkpoint"]["body"]))
        self._head = {"n": own["n"], "hash": own["hash"]}
        return document

    def _post(self, url: str, body: bytes, headers: dict[str, str]) -> requests.Response:
        headers = {"Content-Type": "application/json", **headers}
        answer = self._session.post(url, data=body, headers=headers, timeout=30)
        answer.raise_for_status()
        return answer


def _answers(wp: RealWordPress, paired: Paired) -> Iterator[Figure]:
    caller = _Caller(wp, paired)
    last_report = _settled(caller)
    floor = "a trivial REST route"
    seconds = interleaved(
        {
            floor: caller.nothing,
            "signed ping": lambda: caller.ask("ping"),
            "report, update checks cached": lambda: caller.ask("report", have=None),
            "report that is known already": lambda: caller.ask("report", have=last_report),
            "a stranger's request": caller.stranger,
        },
        _ROUNDS,
    )
    yield Figure.ratio("site.ping", "signed ping", floor, seconds, target=0.4)
    report, known_report = "report, update checks cached", "report that is known already"
    yield Figure.ratio("site.report", report, floor, seconds, target=1.2)
    yield Figure.ratio("site.report_unchanged", known_report, floor, seconds, target=0.8)
    stranger = "a stranger's request"
    yield Figure.ratio("site.unauthenticated", stranger, floor, seconds, target=0.4)


def _signing(wp: RealWordPress) -> Iterator[Figure]:
    code = _SIGNING.read_text(encoding="utf-8").removeprefix("<?php\n")
    # What is evaluated is not a file of its own, which alone may declare this.
    output = wp.evaluate(code.replace("declare( strict_types=1 );", ""))
    floor, sign, verify = "SHA-256 and HMAC alone", "signing a reply", "verifying a request"
    seconds = {floor: output["floor"], sign: output["sign"], verify: output["verify"]}
    yield Figure.ratio("wire.sign.php", sign, floor, seconds)
    yield Figure.ratio("wire.verify.php", verify, floor, seconds)


def _settled(caller: _Caller) -> str:
    """Return the digest of the report once it no longer changes."""
    digest = None
    for _ in range(6):
        answer = caller.ask("report", have=digest)
        digest = str(answer["digest"])
        if "unchanged" in answer:
            return digest
    raise RuntimeError("each report differs from the one before")


def _pages(wp: RealWordPress) -> Iterator[Figure]:
    """Measure how long WordPress loads the plugin, which does nothing else on a page."""
    session, taken = requests.Session(), []
    for _ in range(_ROUNDS):
        output = session.get(wp.url, headers={"X-Bench": "1"}, timeout=30).headers["Server-Timing"]
        own = next(one for one in output.split(", ") if one.startswith("siteagent;"))
        taken.append(float(own.partition("dur=")[2]))
    what = "SiteAgent on the front page"
    yield Figure.absolute("site.front.ms", what, median(taken), "ms", target=0.1)


def _weight(wp: RealWordPress) -> Iterator[Figure]:
    for _ in range(2):  # what is made on a first visit
        active, without = (look(wp, "/", active=is_active) for is_active in (True, False))
    more = active["counted"] - without["counted"]
    what = "more queries on the front page"
    yield Figure.absolute("site.front.queries", what, more, "", target=0)
    more = sum(active["autoload"].values()) - sum(without["autoload"].values())
    what = "more autoloaded bytes"
    yield Figure.absolute("site.front.autoload_bytes", what, more, "", target=0)
