"""Write a client's report in the client's language: the document, and the letter it comes with.

Strings are in English in app/report_templates and below; `app/translations/<language>` has the
others. The catalogues are read from their `.po` files once in a process: there is nothing to build,
and a few hundred strings take milliseconds.
"""

from __future__ import annotations

import io
import re
import unicodedata
from calendar import monthrange
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_skeleton
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal
from babel.support import NullTranslations, Translations
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template, select_autoescape
from markupsafe import Markup

_HERE = Path(__file__).parent
# The source language needs no catalogue. Its dates are written as 24 November 2026.
_SOURCE = "en"
_LOCALES = {_SOURCE: "en_GB", "de": "de_DE"}
_NO_BREAK = "\N{NO-BREAK SPACE}"
_HUNDRED = Decimal(100)
_MAX_NAME_CHARS = 40


@dataclass(frozen=True)
class ReportText:
    """What a report says: plain values, the language, and the personal note of the agency."""

    content: dict[str, Any]
    language: str = _SOURCE
    note: str = ""


@dataclass(frozen=True)
class Look:
    """What a report shows of the agency: its logo as PNG and its accent color, if they are set.

    Links begin at `origin`.
    """

    logo: bytes | None
    accent: str
    origin: str


@dataclass(frozen=True)
class Words:
    """The texts around a document: its title, and what a PDF repeats on each page."""

    title: str
    subtitle: str
    page: str
    missing: str


def render_document(text: ReportText, strip: str = "") -> Markup:
    """Return the report as HTML without a frame, for a page and for app/pdf.py.

    `strip` is a picture of the days as HTML; app/pdf.py draws one of its own.
    """
    # Unlike what `render` returns, a module says that it is HTML and not text to be escaped.
    return _template("document.html", text).make_module(_variables(text, strip=strip)).__html__()


def render_letter(text: ReportText, brand: str, accent: str) -> tuple[str, str]:
    """Return the e-mail as HTML and as plain text. `accent` is a color or empty."""
    about = {"brand": brand, "accent": accent or "#1d5bd6"}
    html = _render("letter.html", text, title=words_of(text).title, **about)
    return html, _render("letter.txt", text, title=words_of(text).title, **about)


def words_of(text: ReportText) -> Words:
    """Return the texts around the document."""
    catalogue, content = catalogue_of(text.language), text.content
    _ = catalogue.gettext
    title = _("Website report: %(period)s") % {"period": period_of(text)}
    subtitle = str(content["client"])
    if content["agency"]:
        agency = {"client": content["client"], "agency": content["agency"]}
        subtitle = _("%(client)s, prepared by %(agency)s") % agency
    missing = _("Some characters are missing in the font of this PDF and appear as %(mark)s.")
    return Words(
        title=title,
        subtitle=subtitle,
        page=_("Page %(number)s"),
        missing=missing % {"mark": "\N{REPLACEMENT CHARACTER}"},
    )


def subject_of(text: ReportText) -> str:
    """Return the subject of the letter, on one line."""
    found = catalogue_of(text.language).gettext("Website report for %(client)s: %(period)s")
    about = {"client": text.content["client"], "period": period_of(text)}
    return " ".join((found % about).split())


def file_name(text: ReportText) -> str:
    """Return a plain file name such as `harbour-bakery-2026-11-01-2026-11-30.pdf`."""
    plain = unicodedata.normalize("NFKD", text.content["client"]).encode("ascii", "ignore").decode()
    name = re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")[:_MAX_NAME_CHARS] or "report"
    return f"{name}-{text.content['first_day']}-{text.content['last_day']}.pdf"


def period_of(text: ReportText) -> str:
    """Return `November 2026` for a whole month, or the first and the last day."""
    first = date.fromisoformat(text.content["first_day"])
    last = date.fromisoformat(text.content["last_day"])
    locale = _LOCALES[text.language]
    is_month = first.day == 1 and last == first.replace(day=monthrange(first.year, first.month)[1])
    if is_month:
        return str(format_skeleton("yMMMM", first, locale=locale))
    found = catalogue_of(text.language).gettext("%(first)s to %(last)s")
    return found % {"first": _day(first, locale), "last": _day(last, locale)}


@lru_cache
def catalogue_of(language: str) -> NullTranslations:
    """Return the translations of a language. Raises KeyError for one that reports do not have."""
    _LOCALES[language]
    if language == _SOURCE:
        return NullTranslations()
    path = _HERE / "translations" / language / "LC_MESSAGES" / "messages.po"
    compiled = io.BytesIO()
    with path.open("rb") as file:
        write_mo(compiled, read_po(file, locale=language))
    compiled.seek(0)
    return Translations(compiled)


def _render(name: str, text: ReportText, **more: Any) -> str:
    return _template(name, text).render(_variables(text, **more))


def _template(name: str, text: ReportText) -> Template:
    return environment_for(text.language, ZoneInfo(text.content["zone"])).get_template(name)


def _variables(text: ReportText, **more: Any) -> dict[str, Any]:
    about = {"note": text.note, "language": text.language, "period": period_of(text)}
    return {"report": text.content, **about, **more}


@lru_cache(maxsize=16)
def environment_for(language: str, zone: ZoneInfo) -> Environment:
    """Return the templates for readers of one language in one time zone."""
    found: Any = Environment(
        loader=FileSystemLoader(_HERE / "report_templates"),
        autoescape=select_autoescape(("html",)),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
    )
    catalogue = catalogue_of(language)
    found.install_gettext_translations(catalogue, newstyle=True)
    found.filters.update(_filters(catalogue, _LOCALES[language], zone))
    made: Environment = found
    return made


def _filters(
    catalogue: NullTranslations, locale: str, zone: ZoneInfo
) -> dict[str, Callable[..., str]]:
    def moment(text: str) -> str:
        at = datetime.fromisoformat(text).astimezone(zone)
        found = catalogue.gettext("%(day)s, %(time)s")
        return found % {"day": _day(at.date(), locale), "time": f"{at:%H:%M}"}

    def percent(hundredths: int | None) -> str:
        if hundredths is None:
            return "–"
        return f"{format_decimal(hundredths / _HUNDRED, '0.##', locale=locale)}{_NO_BREAK}%"

    return {
        "day": lambda text: _day(date.fromisoformat(text[:10]), locale),
        "moment": moment,
        "number": lambda count: str(format_decimal(count, locale=locale)),
        "percent": percent,
        "duration": lambda seconds: _duration(seconds, catalogue),
    }


def _day(day: date, locale: str) -> str:
    return str(format_date(day, "long", locale=locale))


def _duration(seconds: int, catalogue: NullTranslations) -> str:
    """Return `14 min`, `3 h 20 min` or `2 days 3 h`; less than a minute is one."""
    minutes = max(round(seconds / 60), 1)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = []
    if days:
        found = catalogue.ngettext("%(num)s day", "%(num)s days", days)
        parts.append(found % {"num": days})
    if hours:
        parts.append(f"{hours}{_NO_BREAK}h")
    if minutes and not days:
        parts.append(f"{minutes}{_NO_BREAK}min")
    return " ".join(parts)
