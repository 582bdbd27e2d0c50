"""Keep the error message of a broken version on the site."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.plugin.support.changing import (
    DESK,
    ApprovedChange,
    item_of,
    php_text,
    publish,
    reset,
    update,
)

SECRET = "Access denied for user shop_db for jane@example.com"
BROKEN = (
    "<?php\n/**\n * Plugin Name: Contact Desk\n * Version: 2.9.3\n */\n"
    f"add_action( 'init', function () {{ throw new DomainException( '{SECRET}' ); }} );\n"
)

GRANTED = ("plugins",)


def summary_of(error: dict[str, Any]) -> str:
    """Return the PHP expression that describes the error."""
    return f"Siteagent_Error_Summary::summarize(json_decode({php_text(json.dumps(error))}, true))"


@pytest.fixture
def reply(wp, paired) -> dict[str, Any]:
    reset(wp, "contact-desk", "2.3.1", available="2.4.0")
    publish(wp, "plugin/contact-desk.2.9.3.zip", {"contact-desk/contact-desk.php": BROKEN})
    update(wp, "contact-desk", "2.9.3")
    return ApprovedChange.of(wp, paired, item_of(wp, DESK, "2.9.3")).send()


def test_kind_file_and_line_are_sent_without_the_message(reply) -> None:
    assert (reply["outcome"], reply["reason"]) == ("rolled_back", "fatal_after"), reply
    error = reply["evidence"]["during"]["error"]
    assert error == "Uncaught DomainException in wp-content/plugins/contact-desk/contact-desk.php:6"
    assert "shop_db" not in str(reply)
    assert "jane" not in str(reply)


@pytest.mark.parametrize(
    ("message", "type_", "sent"),
    [
        ("Uncaught Error: Call to undefined function gone() in /x:1", 1, True),
        ('Uncaught Error: Class "Shop\\Cart" not found in /x:1', 1, True),
        ("Cannot redeclare shop_total() (previously declared in /x:1)", 64, True),
        ("Allowed memory size of 134217728 bytes exhausted (tried to)", 1, True),
        ("Uncaught mysqli_sql_exception: Access denied for user 'shop'@'10.0.0.4'", 1, False),
        ("Uncaught Error: Call to undefined behavior of jane", 1, False),
        ('syntax error, unexpected identifier "jane"', 4, False),
        ("jane@example.com", 256, False),
    ],
)
def test_only_messages_that_php_writes_about_code_are_sent(wp, message, type_, sent) -> None:
    error = {"message": message, "file": "/x/y.php", "line": 3, "type": type_}
    summary = wp.evaluate(f"return {summary_of(error)};")
    assert summary.endswith(" in /x/y.php:3")
    assert ("gone()" in summary or "Cart" in summary or "shop_total" in summary) == (
        sent and "memory" not in message
    )
    assert "jane" not in summary
    assert "Access denied" not in summary
    if not sent:
        kind = summary.removesuffix(" in /x/y.php:3")
        assert kind in (
            "Uncaught mysqli_sql_exception",
            "Uncaught Error",
            "Parse error",
            "Fatal error",
        )


def test_the_sites_developer_can_have_messages_sent(wp) -> None:
    error = {"message": f"Uncaught DomainException: {SECRET}\n#0 {{main}}", "type": 1}
    summary = wp.evaluate(
        f"add_filter('siteagent_send_error_message', '__return_true');return {summary_of(error)};"
    )
    assert "Access denied for user shop_db" in summary
    assert "jane@example.com" not in summary
