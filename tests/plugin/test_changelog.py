"""Send the public changelog of a new version as plain text and within limits."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.plugin.support.changing import ask, php_text, reset, update
from tests.plugin.support.dashboard import Paired

DESK = "contact-desk/contact-desk.php"
ITEM = {"kind": "plugin", "id": DESK, "from": "2.3.1", "to": "2.4.0"}
CHANGELOG = """<h4>2.5.0</h4><ul><li>Not yet</li></ul>
<h4>2.4.0 &#8211; 2026-10-01</h4><p>Thanks &amp; more:</p>
<ul><li>Closes a <strong>hole</strong></li>
<li>Faster<script>alert(1)</script></li></ul><h4>2.3.2</h4><ul><li>A patch</li></ul>
<h4>2.3.1</h4><ul><li>Installed already</li></ul>"""

GRANTED = ("plugins", "themes", "core_minor")


@pytest.fixture(autouse=True)
def old_version(wp, paired) -> None:
    """Install the old version and delete the changelogs that an earlier test cached."""
    reset(wp, "contact-desk", "2.3.1")
    delete_cached_changelogs(wp)


def delete_cached_changelogs(wp: Any) -> None:
    wp.evaluate(
        'global $wpdb; $wpdb->query("DELETE FROM $wpdb->options'
        " WHERE option_name LIKE '%siteagent_changelog_%'\"); wp_cache_flush();"
    )


def checked_changelog(paired: Paired, item: dict[str, str] = ITEM) -> Any:
    check = ask(paired, "change.check", item=item)
    assert check["eligible"] is True, check
    return check["facts"]["changelog"]


def absent(why: str) -> dict[str, Any]:
    return {"text": None, "part": None, "cut": False, "source": None, "why": why}


def changelog_with_response(wp: Any, php: str) -> dict[str, Any]:
    """Return the changelog when WordPress.org sends the response that this PHP returns."""
    return wp.evaluate(
        "Siteagent_Report::load_admin_includes();"
        "add_filter('pre_http_request', static function ($answer, $arguments, $url) {"
        "if (false === strpos($url, '/plugins/info/')) { return $answer; }"
        f"{php}"
        "}, 1, 3);"
        f"$item = new Siteagent_Update_Item(json_decode({php_text(json.dumps(ITEM))}));"
        "return (new Siteagent_Changelog())->for_update("
        f"new Siteagent_Component('plugin', '{DESK}'), $item);"
    )


def response_with(php: str) -> str:
    """Return PHP for a response with status 200 and this body."""
    return (
        "return array('headers' => array(), 'cookies' => array(),"
        f"'response' => array('code' => 200, 'message' => 'OK'), 'body' => {php});"
    )


def to_plain_text(wp: Any, html: str) -> str:
    return str(wp.evaluate(f"return Siteagent_Changelog::to_plain_text({php_text(html)});"))


def test_the_versions_in_between_are_sent_as_plain_text(wp, paired) -> None:
    update(wp, "contact-desk", "2.4.0", changelog=CHANGELOG)
    assert checked_changelog(paired) == {
        "text": "= 2.4.0 – 2026-10-01\nThanks & more:\n* Closes a hole\n* Faster\n"
        "= 2.3.2\n* A patch",
        "part": "versions",
        "cut": False,
        "source": "api.wordpress.org",
        "why": None,
    }


def test_a_changelog_is_cached_and_deleted_with_the_plugin(wp, paired) -> None:
    update(wp, "contact-desk", "2.4.0", changelog=CHANGELOG)
    first = checked_changelog(paired)
    update(wp, "contact-desk", "2.4.0", changelog="<h4>2.4.0</h4><p>Other words</p>")
    assert checked_changelog(paired) == first
    cached = wp.evaluate(
        'global $wpdb; return $wpdb->get_col("SELECT option_name FROM $wpdb->options'
        " WHERE option_name LIKE '%siteagent_changelog_%'\");"
    )
    prefixes = wp.evaluate("return Siteagent_Uninstaller::TRANSIENTS;")
    assert len(cached) == 2
    assert all(any(prefix in name for prefix in prefixes) for name in cached)


def test_without_version_headings_the_beginning_is_sent(wp, paired) -> None:
    update(wp, "contact-desk", "2.4.0", changelog="<p>We improve all the time.</p>")
    changelog = checked_changelog(paired)
    assert (changelog["part"], changelog["text"]) == ("beginning", "We improve all the time.")


def test_a_changelog_without_the_version_is_not_sent(wp, paired) -> None:
    update(wp, "contact-desk", "2.4.0", changelog="<h4>1.0</h4><p>First.</p>")
    assert checked_changelog(paired) == absent("not_named")


def test_a_missing_changelog_is_reported(wp, paired) -> None:
    update(wp, "contact-desk", "2.4.0")
    assert checked_changelog(paired) == absent("none")


def test_a_theme_is_looked_up_as_a_theme(wp, paired) -> None:
    reset(wp, "coastline", "1.2.0", kind="theme")
    update(wp, "coastline", "1.3.0", kind="theme", changelog="<h4>1.3.0</h4><p>Wider.</p>")
    item = {"kind": "theme", "id": "coastline", "from": "1.2.0", "to": "1.3.0"}
    assert checked_changelog(paired, item)["text"] == "= 1.3.0\nWider."


def test_no_changelog_is_requested_for_an_ineligible_update(wp, paired) -> None:
    update(wp, "contact-desk", "2.4.0", changelog=CHANGELOG)
    check = ask(paired, "change.check", item={**ITEM, "to": "2.4.1"})
    assert (check["eligible"], check["facts"]["changelog"]) == (False, None)


def test_a_package_from_elsewhere_has_no_changelog(wp, paired) -> None:
    changelog = wp.evaluate(
        "Siteagent_Report::load_admin_includes();"
        "set_site_transient('update_plugins', (object) array('last_checked' => time(),"
        f"'response' => array('{DESK}' => (object) array('slug' => 'contact-desk',"
        "'new_version' => '2.4.0', 'package' => 'https://shop.example/desk.zip'))));"
        f"$item = new Siteagent_Update_Item(json_decode({php_text(json.dumps(ITEM))}));"
        "return (new Siteagent_Changelog())->for_update("
        f"new Siteagent_Component('plugin', '{DESK}'), $item);"
    )
    assert changelog == absent("elsewhere")


@pytest.mark.parametrize(
    ("php", "why"),
    [
        ("return new WP_Error('http_request_failed', 'timed out');", "unreachable"),
        (response_with("'<html>a captcha</html>'"), "unreadable"),
        (response_with("'[1'"), "unreadable"),
        (response_with("'\"text\"'"), "unreadable"),
        (response_with("'{}'"), "none"),
        (response_with('\'{"sections":"x"}\''), "none"),
        (response_with('\'{"sections":{"changelog":[1]}}\''), "none"),
        (response_with("str_repeat('x', 5000000)"), "too_large"),
        (response_with("str_repeat('[', 100000)"), "unreadable"),
    ],
)
def test_an_unavailable_changelog_is_reported_with_the_reason(wp, paired, php, why) -> None:
    update(wp, "contact-desk", "2.4.0")
    checked_changelog(paired)
    delete_cached_changelogs(wp)
    assert changelog_with_response(wp, php) == absent(why)


def test_the_request_uses_https_and_has_limits(wp, paired) -> None:
    update(wp, "contact-desk", "2.4.0")
    checked_changelog(paired)
    delete_cached_changelogs(wp)
    changelog_with_response(
        wp,
        "$seen = (array) get_option('seen_calls', array());"
        "$seen[] = array($url, $arguments['timeout'], $arguments['limit_response_size']);"
        "update_option('seen_calls', $seen);"
        "return new WP_Error('http_request_failed', 'no way out');",
    )
    seen = wp.evaluate("return get_option('seen_calls');")
    wp.evaluate("delete_option('seen_calls');")
    assert len(seen) == 1
    assert seen[0][0].startswith("https://api.wordpress.org/plugins/info/1.2/?")
    assert "contact-desk" in seen[0][0]
    assert seen[0][1:] == [5, 2 * 1024 * 1024]


def test_a_long_changelog_is_cut_at_four_kilobytes_between_characters(wp, paired) -> None:
    update(wp, "contact-desk", "2.4.0", changelog=f"<h4>2.4.0</h4><p>{'é' * 5000}</p>")
    changelog = checked_changelog(paired)
    assert changelog["cut"] is True
    assert 4090 <= len(changelog["text"].encode()) <= 4096
    assert set(changelog["text"].removeprefix("= 2.4.0\n")) == {"é"}


def test_the_upgrade_notice_replaces_an_unavailable_changelog(wp, paired) -> None:
    changelog = wp.evaluate(
        "Siteagent_Report::load_admin_includes();"
        "add_filter('pre_http_request', static function () {"
        "return new WP_Error('http_request_failed', 'no way out'); }, 1);"
        "set_site_transient('update_plugins', (object) array('last_checked' => time(),"
        f"'response' => array('{DESK}' => (object) array('slug' => 'contact-desk',"
        "'new_version' => '2.4.0', 'upgrade_notice' => '<p>Back up <b>first</b>.</p>',"
        "'package' => 'https://downloads.wordpress.org/plugin/contact-desk.2.4.0.zip'))));"
        f"$item = new Siteagent_Update_Item(json_decode({php_text(json.dumps(ITEM))}));"
        "return (new Siteagent_Changelog())->for_update("
        f"new Siteagent_Component('plugin', '{DESK}'), $item);"
    )
    assert (changelog["part"], changelog["text"]) == ("notice", "Back up first.")


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>a<script>alert(1)</script>b<style>p{}</style></p>", "ab"),
        ("&lt;script&gt;alert(1)&lt;/script&gt;", "<script>alert(1)</script>"),
        ("&amp;lt;b&amp;gt;", "&lt;b&gt;"),
        ("a&#8238;b&#x202e;c\u202ed&zwj;e", "abcde"),
        ("one<br>two<br/>three</p><p>four", "one\ntwo\nthree\nfour"),
        ("<img src=x onerror=alert(1)><a href='javascript:x'>link</a>", "link"),
        ("<p>unclosed <b", "unclosed"),
        ("<h4></h4><ul><li></li></ul>\n\n\n", ""),
    ],
)
def test_untrusted_html_becomes_plain_text(wp, html, text) -> None:
    assert to_plain_text(wp, html) == text


def test_invalid_bytes_are_dropped_and_size_is_bounded(wp) -> None:
    found = wp.evaluate('return Siteagent_Changelog::to_plain_text("<p>a\\xC3(b\\xFFc</p>");')
    assert found.replace("\ufffd", "") == "a(bc"
    huge = "str_repeat('<p>word</p>', 500000)"
    assert wp.evaluate(f"return strlen(Siteagent_Changelog::to_plain_text({huge}));") <= 262144


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        ("2.4.0\na\n2.3.1\nb", "2.4.0\na"),
        ("Version 2.4.0 (May)\na\nVersion 2.3.1\nb", "Version 2.4.0 (May)\na"),
        ("= v2.4.0 =\na\n= v2.3.1 =\nb", "= v2.4.0 =\na"),
        (
            "2026-10-01 - version 2.4.0\na\n2026-09-01 - version 2.3.1\nb",
            "2026-10-01 - version 2.4.0\na",
        ),
        ("[2.4.0] - 2026-10-01\na\n[2.3.1]\nb", "[2.4.0] - 2026-10-01\na"),
        ("= 2.4.0\n* 2.2 was slow\n* b\n= 2.3.1\nc", "= 2.4.0\n* 2.2 was slow\n* b"),
        ("= 2.4.0-beta1\na\n= 2.4.0\nb\n= 2.10.0\nc", "= 2.4.0-beta1\na\n= 2.4.0\nb"),
    ],
)
def test_version_headings_of_common_readmes_are_recognized(wp, text, chosen) -> None:
    call = f"Siteagent_Changelog::between({php_text(text)}, '2.3.1', '2.4.0')"
    assert wp.evaluate(f"return {call};") == [chosen, "versions"]
