"""wp-admin shows SiteAgent in the language of the person who reads it."""

from __future__ import annotations

import re
from base64 import b64encode
from pathlib import Path

import pytest

from tests.plugin.support.signed_requests import forget
from tests.plugin.support.wp_admin import Person, words
from tests.support.translation_template import compile_mo, messages

ROOT = Path(__file__).parents[2]
TEMPLATE = ROOT / "wordpress-plugin/siteagent/languages/siteagent.pot"
PREFIX = "[de] "


@pytest.fixture
def german(wp) -> Person:
    """Install a German translation, and return an administrator who uses it."""
    forget(wp)
    files = {
        "WP_PLUGIN_DIR . '/siteagent/languages/siteagent-de_DE.mo'": TEMPLATE.read_text("utf-8"),
        # WordPress's own German; WordPress 6.1 stops at a translation without any text.
        "WP_LANG_DIR . '/de_DE.mo'": 'msgid "A text that no page shows"\n',
    }
    for place, template in files.items():
        content = b64encode(compile_mo(template, PREFIX)).decode()
        wp.evaluate(f"file_put_contents({place}, base64_decode('{content}'));")
    wp.evaluate(f"update_user_meta(get_user_by('login', '{wp.admin}')->ID, 'locale', 'de_DE');")
    return Person(wp.url, wp.admin, wp.password)


def test_every_text_of_the_settings_page_is_translated(german) -> None:
    page = german.page()
    assert page.status_code == 200
    shown = words(page.text)
    assert shown.count(PREFIX) > 5
    texts = messages(TEMPLATE.read_text("utf-8"))
    # A sentence without a placeholder that is shown without the prefix was not translated.
    plain = [text for text in texts if "%" not in text and len(text) > 25]
    assert [text for text in plain if re.search(rf"(?<!\] ){re.escape(text)}", shown)] == []


def test_the_reasons_of_the_report_are_translated(german) -> None:
    shown = words(german.page("&tab=data").text)
    assert PREFIX + "Shows how recent the report is." in shown


def test_an_administrator_who_reads_english_sees_english(wp, german) -> None:
    wp.evaluate(f"delete_user_meta(get_user_by('login', '{wp.admin}')->ID, 'locale');")
    assert PREFIX not in words(german.page().text)
