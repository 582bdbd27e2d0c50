"""A report is complete in each of its languages: no English word is left in a German one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from unittest.mock import patch
from zoneinfo import ZoneInfo

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po
from babel.support import NullTranslations

from app import report_format
from app.domain.reporting.schedule import LANGUAGES
from app.report_format import ReportText, render_document, render_letter, subject_of, words_of
from tests.support.report_contents import A_QUIET_MONTH, A_ROUGH_MONTH

APP = Path(__file__).parents[2] / "app"
OTHERS = [language for language in LANGUAGES if language != "en"]
_FIELD = re.compile(r"%\((\w+)\)s")


def used() -> set[str | tuple[str, ...]]:
    """Return every message of the report, with its plural if it has one."""
    methods = [("report_templates/**", "jinja2"), ("report_format.py", "python")]
    options = {"report_templates/**": {"trim_blocks": "true", "silent": "false"}}
    found = extract_from_dir(APP, method_map=methods, options_map=options)
    return {message for _, _, message, _, _ in found}


def catalogue(language: str) -> Catalog:
    path = APP / "translations" / language / "LC_MESSAGES" / "messages.po"
    with path.open("rb") as file:
        return read_po(file, locale=language)


def messages(language: str) -> list[Message]:
    return [message for message in catalogue(language) if message.id]


@pytest.mark.parametrize("language", OTHERS)
def test_the_catalog_matches_the_messages(language: str) -> None:
    assert len(used()) > 60
    translated = {
        one.id if isinstance(one.id, str) else tuple(one.id) for one in messages(language)
    }
    assert translated == used()


@pytest.mark.parametrize("language", OTHERS)
def test_every_message_is_translated_with_the_same_fields(language: str) -> None:
    for message in messages(language):
        strings = [message.string] if isinstance(message.string, str) else list(message.string)
        originals = [message.id] if isinstance(message.id, str) else list(message.id)
        assert all(strings), message.id
        assert not message.fuzzy, message.id
        for original, string in zip(originals, strings, strict=True):
            assert set(_FIELD.findall(string)) == set(_FIELD.findall(original)), message.id


class _Marked(NullTranslations):
    """Translations that put each message in brackets, so that untranslated text is found."""

    def gettext(self, message: str) -> str:
        return f"⟦{message}⟧"

    def ngettext(self, singular: str, plural: str, num: int) -> str:
        return f"⟦{singular if num == 1 else plural}⟧"

    ugettext, ungettext = gettext, ngettext


class _Texts(HTMLParser):
    """The texts and labels of a document, without its styles."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self._is_style = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._is_style = tag == "style"
        self.found += [value or "" for name, value in attrs if name in ("aria-label", "title")]

    def handle_endtag(self, tag: str) -> None:
        self._is_style = False

    def handle_data(self, data: str) -> None:
        if not self._is_style:
            self.found.append(data)


@pytest.fixture
def marked() -> Iterator[None]:
    report_format.environment_for.cache_clear()
    with patch.object(report_format, "catalogue_of", lambda _: _Marked()):
        yield
    report_format.environment_for.cache_clear()


def untranslated(text: str) -> str:
    """Return the letters of a text outside of the innermost and outermost brackets."""
    while (shorter := re.sub(r"⟦[^⟦⟧]*⟧", "", text)) != text:
        text = shorter
    return "".join(re.findall(r"[^\W\d_]+", text))


@pytest.mark.parametrize("content", [A_QUIET_MONTH, A_ROUGH_MONTH], ids=["quiet", "rough"])
def test_every_text_of_a_report_is_in_the_catalog(marked: None, content: dict[str, Any]) -> None:
    """The content has no letters, so letters outside of brackets come from the templates."""
    text = ReportText(content, "de")
    html, plain = render_letter(text, "-", "")
    found = [*_Texts(render_document(text)).found, *_Texts(html).found, *plain.splitlines()]
    # Product names, and units of the metric system, are the same everywhere.
    same = {"WordPress", "PHP", "h", "min", "hmin"}
    left = {untranslated(one) for one in found} - same - {""}
    months = {"November"}
    assert left - months == set()


def test_text_outside_of_brackets_is_found() -> None:
    assert untranslated("⟦Online ⟦%(x)s⟧⟧: 3 Outages") == "Outages"


def test_numbers_dates_and_plurals_follow_the_language() -> None:
    german = render_document(ReportText(A_ROUGH_MONTH, "de"))
    assert "99,93\N{NO-BREAK SPACE}%" in german
    assert "1.204" in german
    assert "30. November 2026" in german
    assert "9. November 2026, 14:00 Uhr: 17\N{NO-BREAK SPACE}min nicht erreichbar" in german
    english = render_document(ReportText(A_ROUGH_MONTH, "en"))
    assert "99.93\N{NO-BREAK SPACE}%" in english
    assert "1,204" in english
    assert "9 November 2026, 14:00: offline for 17\N{NO-BREAK SPACE}min" in english


@pytest.mark.parametrize(("count", "words"), [(1, "1 Update "), (2, "2 Updates "), (0, "kein Up")])
def test_singular_and_plural_differ(count: int, words: str) -> None:
    found = render_document(ReportText({**A_QUIET_MONTH, "updates": count}, "de"))
    assert words in found.partition("</h2>")[0]


def test_a_month_has_its_name_and_other_periods_their_days() -> None:
    assert subject_of(ReportText(A_QUIET_MONTH, "de")) == "Website-Bericht für 4711: November 2026"
    week = {**A_QUIET_MONTH, "first_day": "2026-11-02", "last_day": "2026-11-08"}
    title = "Website report: 2 November 2026 to 8 November 2026"
    assert words_of(ReportText(week, "en")).title == title


def test_hostile_names_are_escaped_everywhere() -> None:
    hostile = {**A_ROUGH_MONTH, "client": "<b>%(x)s</b>", "agency": "%s {{ 1 }}"}
    hostile["recommended"] = [{"code": "held", "site": "<i>%(d)s</i>", "name": "<script>"}]
    text = ReportText(hostile, "de", "<img src=x> %(note)s")
    document, (html, plain) = render_document(text), render_letter(text, "<u>%s", "")
    for page in (document, html):
        assert "<script" not in page
        assert "<img" not in page
        assert "&lt;i&gt;%(d)s&lt;/i&gt;" in page
    assert "<img src=x> %(note)s" in plain
    assert "<b>%(x)s</b>" in subject_of(text)


def test_a_language_of_a_schedule_has_an_environment() -> None:
    for language in LANGUAGES:
        assert report_format.environment_for(language, ZoneInfo("UTC"))
    with pytest.raises(KeyError):
        report_format.catalogue_of("fr")


def test_the_first_page_claims_only_what_was_measured() -> None:
    def headline(**uptime: object) -> str:
        figures = {**A_QUIET_MONTH["uptime"], **uptime}
        found = render_document(ReportText({**A_QUIET_MONTH, "uptime": figures}))
        return found.partition("</h2>")[0]

    assert "There was no outage" in headline()
    assert "not all of the time" in headline(uncertain_days=1)
    assert "not all of the time" in headline(unwatched_sites=1)
    assert "uptime of 99.99" in headline(hundredths=9999, outages=1, down_s=60)
    assert "outage" not in headline(hundredths=None)
