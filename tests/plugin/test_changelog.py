"""What the site tells of a new version: its public changelog, as plain text and within bounds."""

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
def forgetful(wp, paired) -> None:
    """Nothing kept of an earlier test."""
    reset(wp, "contact-desk", "2.3.1")
    forget_kept(wp)


def forget_kept(wp: Any) -> None:
    wp.evaluate(
        'global $wpdb; $wpdb->query("DELETE FROM $wpdb->options'
        " WHERE option_name LIKE '%siteagent_changelog_%'\"); wp_cache_flush();"
    )


def checked(paired: Paired, item: dict[str, str] = ITEM) -> Any:
    told = ask(paired, "change.check", item=item)
    assert told["eligible"] is True, told
    return told["facts"]["changelog"]


def absent(why: str) -> dict[str, Any]:
    return {"text": None, "part": None, "cut": False, "source": None, "why": why}


def answered(wp: Any, php: str) -> dict[str, Any]:
    """What is told when WordPress.org answers with what this PHP returns."""
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


def body(php: str) -> str:
    """An answer of 200 with this body."""
    return (
        "return array('headers' => array(), 'cookies' => array(),"
        f"'response' => array('code' => 200, 'message' => 'OK'), 'body' => {php});"
    )


def plain(wp: Any, html: str) -> str:
    return str(wp.evaluate(f"return Siteagent_Changelog::to_plain_text({php_text(html)});"))


def test_the_versions_in_between_are_told_as_plain_text(wp, paired) -> None:
    update(wp, "contact-desk", "2.4.0", changelog=CHANGELOG)
    assert checked(paired) == {
        "text": "= 2.4.0 – 2026-10-01\nThanks & more:\n* Closes a hole\n* Faster\n"
        "= 2.3.2\n* A patch",
        "part": "versions",
        "cut": False,
        "source": "api.wordpress.org",
        "why": None,
    }


def test_it_is_asked_for_once_in_twelve_hours_and_leaves_with_the_plugin(wp, paired) -> None:
    update(wp, "contact-desk", "2.4.0", changelog=CHANGELOG)
    first = checked(paired)
    update(wp, "contact-desk", "2.4.0", changelog="<h4>2.4.0</h4><p>Other words</p>")
    assert checked(paired) == first
    kept = wp.evaluate(
        'global $wpdb; return $wpdb->get_col("SELECT option_name FROM $wpdb->options'
        " WHERE option_name LIKE '%siteagent_changelog_%'\");"
    )
    prefixes = wp.evaluate("return Siteagent_Uninstaller::TRANSIENTS;")
    assert len(kept) == 2
    assert all(any(prefix in name for prefix in prefixes) for name in kept)


def test_where_versions_cannot_be_told_apart_the_beginning_is_told(wp, paired) -> None:
    update(wp, "contact-desk", "2.4.0", changelog="<p>We improve all the time.</p>")
    told = checked(paired)
    assert (told["part"], told["text"]) == ("beginning", "We improve all the time.")


def test_a_changelog_that_does_not_name_the_version_is_not_guessed_from(wp, paired) -> None:
    update(wp, "contact-desk", "2.4.0", changelog="<h4>1.0</h4><p>First.</p>")
    assert checked(paired) == absent("not_named")


def test_without_a_changelog_that_is_told(wp, paired) -> None:
    update(wp, "contact-desk", "2.4.0")
    assert checked(paired) == absent("none")


def test_a_theme_is_asked_for_as_a_theme(wp, paired) -> None:
    reset(wp, "coastline", "1.2.0", kind="theme")
    update(wp, "coastline", "1.3.0", kind="theme", changelog="<h4>1.3.0</h4><p>Wider.</p>")
    item = {"kind": "theme", "id": "coastline", "from": "1.2.0", "to": "1.3.0"}
    assert checked(paired, item)["text"] == "= 1.3.0\nWider."


def test_for_wordpress_itself_and_where_nothing_may_be_done_none_is_sought(wp, paired) -> None:
    update(wp, "contact-desk", "2.4.0", changelog=CHANGELOG)
    told = ask(paired, "change.check", item={**ITEM, "to": "2.4.1"})
    assert (told["eligible"], told["facts"]["changelog"]) == (False, None)


def test_what_comes_from_elsewhere_has_none(wp, paired) -> None:
    told = wp.evaluate(
        "Siteagent_Report::load_admin_includes();"
        "set_site_transient('update_plugins', (object) array('last_checked' => time(),"
        f"'response' => array('{DESK}' => (object) array('slug' => 'contact-desk',"
        "'new_version' => '2.4.0', 'package' => 'https://shop.example/desk.zip'))));"
        f"$item = new Siteagent_Update_Item(json_decode({php_text(json.dumps(ITEM))}));"
        "return (new Siteagent_Changelog())->for_update("
        f"new Siteagent_Component('plugin', '{DESK}'), $item);"
    )
    assert told == absent("elsewhere")


@pytest.mark.parametrize(
    ("php", "why"),
    [
        ("return new WP_Error('http_request_failed', 'timed out');", "unreachable"),
        (body("'<html>a captcha</html>'"), "unreadable"),
        (body("'[1'"), "unreadable"),
        (body("'\"text\"'"), "unreadable"),
        (body("'{}'"), "none"),
        (body('\'{"sections":"x"}\''), "none"),
        (body('\'{"sections":{"changelog":[1]}}\''), "none"),
        (body("str_repeat('x', 5000000)"), "too_large"),
        (body("str_repeat('[', 100000)"), "unreadable"),
    ],
)
def test_what_cannot_be_had_is_told_with_the_reason(wp, paired, php, why) -> None:
    update(wp, "contact-desk", "2.4.0")
    checked(paired)
    forget_kept(wp)
    assert answered(wp, php) == absent(why)


def test_only_https_is_asked_and_within_bounds(wp, paired) -> None:
    update(wp, "contact-desk", "2.4.0")
    checked(paired)
    forget_kept(wp)
    answered(
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


def test_a_long_one_is_cut_at_four_kilobytes_between_characters(wp, paired) -> None:
    update(wp, "contact-desk", "2.4.0", changelog=f"<h4>2.4.0</h4><p>{'é' * 5000}</p>")
    told = checked(paired)
    assert told["cut"] is True
    assert 4090 <= len(told["text"].encode()) <= 4096
    assert set(told["text"].removeprefix("= 2.4.0\n")) == {"é"}


def test_the_upgrade_notice_stands_in_where_the_changelog_cannot_be_had(wp, paired) -> None:
    told = wp.evaluate(
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
    assert (told["part"], told["text"]) == ("notice", "Back up first.")


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
def test_html_of_strangers_becomes_plain_text(wp, html, text) -> None:
    assert plain(wp, html) == text


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
def test_versions_are_told_apart_as_readmes_write_them(wp, text, chosen) -> None:
    call = f"Siteagent_Changelog::between({php_text(text)}, '2.3.1', '2.4.0')"
    assert wp.evaluate(f"return {call};") == [chosen, "versions"]
