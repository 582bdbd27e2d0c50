"""What an approved update costs beside WordPress's own: the copy, the checks and the probes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from random import Random
from statistics import median

from bench.measure import Figure
from tests.plugin.support.changing import ApprovedChange, grant, item_of, publish, update, version
from tests.plugin.support.dashboard import Paired
from tests.plugin.support.real_wordpress import RealWordPress

_SLUG, _FROM, _TO = "bench-forms", "1.0.0", "1.0.1"
_MAIN = f"{_SLUG}/{_SLUG}.php"
# An ordinary plugin: 2 MB in 300 files.
_FILES, _BYTES = 300, 2_000_000
_ROUNDS = 15
_INSTALL = f"""
require_once ABSPATH . 'wp-admin/includes/admin.php';
WP_Filesystem();
$GLOBALS['wp_filesystem']->delete( WP_PLUGIN_DIR . '/{_SLUG}', true );
unzip_file(
    '/srv/wordpress.org/downloads.wordpress.org/plugin/{_SLUG}.{_FROM}.zip', WP_PLUGIN_DIR
);
wp_clean_plugins_cache();
is_plugin_active( '{_MAIN}' ) || activate_plugin( '{_MAIN}' );
wp_update_plugins();
return 0;
"""
_UPGRADE = f"""
require_once ABSPATH . 'wp-admin/includes/admin.php';
require_once ABSPATH . 'wp-admin/includes/class-wp-upgrader.php';
$upgrader = new Plugin_Upgrader( new Automatic_Upgrader_Skin() );
return (bool) $upgrader->bulk_upgrade( array( '{_MAIN}' ) )['{_MAIN}'];
"""


def figures(wp: RealWordPress, paired: Paired) -> Iterator[Figure]:
    """Measure an update of an active plugin by an approved plan, and by `bulk_upgrade()` alone."""
    for number in (_FROM, _TO):
        publish(wp, f"plugin/{_SLUG}.{number}.zip", _files(number))
    update(wp, _SLUG, _TO)
    grant(wp, "plugins")

    def by_plan() -> None:
        outcome = change.send()["outcome"]
        if outcome != "succeeded":
            raise RuntimeError(f"the update ended as {outcome}")

    def by_core() -> None:
        if not wp.evaluate(_UPGRADE):
            raise RuntimeError("WordPress did not update the plugin")

    ours, floor = "a whole update", "WordPress's bulk_upgrade()"
    taken: dict[str, list[float]] = {ours: [], floor: []}
    for turn in range(1 + _ROUNDS):
        for name, work in ((ours, by_plan), (floor, by_core)):
            wp.evaluate(_INSTALL)
            change = ApprovedChange.of(wp, paired, item_of(wp, _MAIN, _TO))
            seconds = _timed(work)
            if version(wp, _MAIN) != _TO:
                raise RuntimeError("the plugin was not updated")
            if turn:
                taken[name].append(seconds)
    seconds_of = {name: median(seconds) for name, seconds in taken.items()}
    yield Figure.ratio("site.update", ours, floor, seconds_of, target=1.05)


def _timed(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _files(number: str) -> dict[str, str]:
    """Return a plugin of that version by path; most of its text differs from the other's."""
    random = Random(number)
    header = f"<?php\n/*\nPlugin Name: Bench Forms\nVersion: {number}\n*/\n"
    files = {_MAIN: header}
    for place in range(_FILES - 1):
        text = random.randbytes(_BYTES // _FILES // 2).hex()
        files[f"{_SLUG}/includes/part-{place}.php"] = f"<?php\n// {text}\n"
    return files
