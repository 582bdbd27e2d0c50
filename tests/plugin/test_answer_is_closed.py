"""Send the signed response before other plugins print while WordPress shuts down."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.plugin.support.changing import php_text

PRINTERS = {
    "a shutdown action": "add_action( 'shutdown', function () { print '<!-- served -->'; } );",
    "a shutdown function": "register_shutdown_function(function () { print '<!-- served -->'; });",
    "an action that ends every buffer": (
        "add_action( 'shutdown', function () { while ( ob_get_level() ) { ob_end_clean(); } }, 0 );"
    ),
}


# Print only in responses of SiteAgent: the tests read values by HTTP requests too.
_FOR_SITEAGENT = "<?php if ( false !== strpos( $_SERVER['REQUEST_URI'], 'siteagent' ) ) { %s }"


@contextmanager
def plugin(wp, code: str) -> Iterator[None]:
    file = "WPMU_PLUGIN_DIR . '/aa-prints.php'"
    wp.evaluate(f"return file_put_contents({file}, {php_text(_FOR_SITEAGENT % code)});")
    try:
        yield
    finally:
        wp.evaluate(f"return unlink({file});")


@pytest.mark.parametrize("code", PRINTERS.values(), ids=list(PRINTERS))
@pytest.mark.parametrize("op", ["ping", "report"])
def test_output_at_shutdown_does_not_reach_the_response(wp, paired, code, op) -> None:
    arguments = {"have": None} if op == "report" else {}
    with plugin(wp, code):
        assert paired.ask(op, **arguments).document["ok"] is True
