"""Render the HTML of a report as a tagged PDF on A4.

Equal HTML gives equal bytes. Characters that the bundled font does not have appear as a replacement
character, with a note. No input makes this fail.
"""

from __future__ import annotations

import io
import re
import struct
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from pathlib import Path
from urllib.parse import urlsplit

from fpdf import FPDF
from fpdf.enums import TextMode, XPos, YPos
from fpdf.prefs import ViewerPreferences

from app.pdf_blocks import Block, Run, blocks_of
from app.pdf_shapes import Color, TextStyle, put_days, put_figures

_FONT = Path(__file__).parent / "fonts" / "DejaVuSans.ttf"
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
# Control characters and characters that change the text direction.
_UNREADABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]"
)
# Scripts with contextual letter forms, and combining characters.
_SHAPED = re.compile("[\u0300-\u036f\u0590-\u1aff\ufb1d-\ufdff\ufe70-\ufefe]")
_WORDS = re.compile(r"[^ ]* ?")

_MARGIN = 20
_TERM_WIDTH = 58
_INDENT = 5
# Width and height in mm that a logo fits into.
_LOGO = (50.0, 12.0)
_INK, _SOFT, _ACCENT = (20, 23, 27), (85, 91, 100), (31, 78, 121)
# For each kind of block: font size in points, line height and space above in mm, and its tag.
_STYLES = {
    "h1": (20.0, 9.0, 0.0, "/H1"),
    "h2": (13.5, 6.5, 7.0, "/H2"),
    "h3": (10.5, 5.2, 4.0, "/H3"),
    "p": (9.0, 4.6, 1.6, "/P"),
    "li": (9.0, 4.6, 1.0, "/P"),
    "dd": (9.0, 4.6, 1.0, "/P"),
}
# Height in mm that is kept on one page with a heading.
_WITH_HEADING = {"h2": 26.0, "h3": 14.0}
_NOTE = (
    f"Some characters are missing in the font of this PDF and appear as {_REPLACEMENT}. The page in"
    " Aura shows them."
)


@dataclass(frozen=True)
class PdfWords:
    """The language of a document, and what it says itself: on each page, and about characters."""

    language: str = "en"
    page: str = "Page %(number)s"
    missing: str = _NOTE


def render_pdf(
    html: str,
    *,
    title: str,
    subtitle: str,
    base: str,
    at: datetime,
    logo: bytes | None = None,
    accent: str = "",
    words: PdfWords | None = None,
) -> bytes:
    """Render the blocks of `html` under `title`.

    Links begin at `base`. `at` is the date of the document. `logo` is a PNG for the first page, and
    `accent` the color of links as #rrggbb.
    """
    words = words or PdfWords()
    paper = _PdfDocument(title, subtitle, base, at, words)
    if accent:
        red, green, blue = bytes.fromhex(accent[1:])
        paper.accent = (red, green, blue)
    if logo:
        paper.put_logo(logo)
    paper.put(Block("h1", runs=[Run(title)]))
    paper.put(Block("p", runs=[Run(subtitle)]))
    for block in blocks_of(html):
        paper.put(block)
    if paper.is_lacking:
        paper.put(Block("p", runs=[Run(words.missing)]))
    return bytes(paper.output())


class _PdfDocument(FPDF):
    """A4 pages on which all text is in tagged blocks, also across page breaks.

    fpdf2 tags only images, so this class writes the tags with fpdf2's internals. A test reads them
    back, because those may change.
    """

    def __init__(self, title: str, subtitle: str, base: str, at: datetime, words: PdfWords) -> None:
        super().__init__(orientation="portrait", unit="mm", format="A4")
        self.is_lacking = False
        self.accent: Color = _ACCENT
        self._base, self._page_words = base, words.page
        self._tag = ""
        self._marks: Counter[int] = Counter()
        self._widths: dict[tuple[str, float], float] = {}
        self.add_font("aura", fname=_FONT)
        self._known = frozenset(self.fonts["aura"].cmap)  # type: ignore[union-attr]  # a file gives a TTFFont
        self._foot = self._drawable(f"{title}, {subtitle}")[:120]
        self.set_title(self._drawable(title))
        self.set_lang(words.language)
        self.set_creator("Aura")
        self.set_producer("Aura")
        self.set_creation_date(at)
        self.viewer_preferences = ViewerPreferences(display_doc_title=True)
        self.set_margins(_MARGIN, _MARGIN)
        self.set_auto_page_break(True, margin=_MARGIN)
        self.set_font("aura", size=9)
        self.c_margin = 0
        self.add_page()

    def put_logo(self, png: bytes) -> None:
        """Draw the logo above what follows.

        It is an artifact, not a figure: screen readers get the agency's name from the text.
        """
        # A PNG begins with its width and height.
        size = struct.unpack(">II", png[16:24])
        scale = min(most / pixels for most, pixels in zip(_LOGO, size, strict=True))
        width, height = (pixels * scale for pixels in size)
        with self.artifact():
            self.image(io.BytesIO(png), _MARGIN, self.get_y(), width, height)
        self.set_y(self.get_y() + height + 6)

    def put(self, block: Block) -> None:
        """Add one block, on the next page if it would be split."""
        if block.starts_page:
            self.add_page()
        if block.figures:
            put_figures(self, _MARGIN, self.epw, block.figures, self.accent)
            return
        if block.days:
            put_days(self, _MARGIN, self.epw, block.days)
        size, line, above, tag = _STYLES[block.kind]
        self.set_font("aura", size=size)
        left = _MARGIN + (_TERM_WIDTH if block.term else _INDENT if block.kind == "li" else 0)
        runs = block.runs
        if block.kind[0] == "h":
            runs = [replace(run, is_strong=True) for run in runs]
        lines = self._wrapped(runs, self.w - _MARGIN - left)
        terms = self._wrapped([Run(block.term + " ")], _TERM_WIDTH - 3) if block.term else []
        self._keep_together(
            max(len(lines), len(terms)) * line + above, _WITH_HEADING.get(block.kind, 0)
        )
        self.set_y(self.get_y() + above)
        if block.kind in _WITH_HEADING:
            level = list(_WITH_HEADING).index(block.kind)
            self.start_section(self._drawable(block.text)[:120], level, strict=False)
        with self.tagged(tag):
            top, page = self.get_y(), self.page
            self._put_lines(terms, _MARGIN, line, _SOFT)
            bottom = self.get_y()
            self.set_y(top)
            if block.kind == "li":
                self._put_lines([[Run("• ")]], _MARGIN + 1, line, _INK)
                self.set_y(top)
            self._put_lines(lines, left, line, _INK)
        if self.page == page:
            self.set_y(max(self.get_y(), bottom))

    def go_to(self, y: float) -> None:
        """Continue at this height of the page."""
        self.set_y(y)

    def draw_text(self, text: str, x: float, y: float, style: TextStyle) -> None:
        """Write a short text at a place of the page, on one line."""
        self.set_font("aura", size=style.size)
        self.set_xy(x, y)
        run = Run(self._drawable(text), is_strong=style.is_strong)
        self._write(run, style.size / 2, style.color)

    def draw_box(
        self, x: float, y: float, width: float, height: float, color: Color, *, is_filled: bool
    ) -> None:
        """Draw a rectangle, filled or as a thin frame."""
        self.set_draw_color(*color)
        self.set_fill_color(*color)
        self.set_line_width(0.2)
        self.rect(x, y, width, height, "F" if is_filled else "D")

    @contextmanager
    def artifact(self) -> Iterator[None]:
        """Mark what is drawn as decoration, which screen readers skip."""
        self._out("/Artifact BMC")
        yield
        self._out("EMC")

    def _keep_together(self, height: float, following: float) -> None:
        """Start a new page if a block, or a heading and its first lines, does not fit."""
        room = self.page_break_trigger - self.get_y()
        if height + following > room and self.get_y() > 2 * _MARGIN:
            self.add_page()

    def _wrapped(self, runs: Sequence[Run], width: float) -> list[list[Run]]:
        """Return the runs as lines of at most that width; a word without spaces breaks anywhere."""
        lines: list[list[Run]] = [[]]
        used = 0.0
        for run in runs:
            for word in _WORDS.findall(self._drawable(run.text)):
                wide = self._width(word)
                if used and used + self._width(word.rstrip(" ")) > width:
                    lines.append([])
                    used = 0.0
                for part in [word] if wide <= width else self._torn(word, width):
                    if used and used + self._width(part.rstrip(" ")) > width:
                        lines.append([])
                        used = 0.0
                    lines[-1].append(replace(run, text=part))
                    used += self._width(part)
        return lines

    def _torn(self, word: str, width: float) -> Iterator[str]:
        part, used = "", 0.0
        for letter in word:
            wide = self._width(letter)
            if part and used + wide > width:
                yield part
                part, used = "", 0.0
            part += letter
            used += wide
        yield part

    def _width(self, text: str) -> float:
        key = (text, self.font_size)
        if key not in self._widths:
            self._widths[key] = float(self.get_string_width(text, normalized=True))
        return self._widths[key]

    def _put_lines(
        self, lines: Sequence[Sequence[Run]], left: float, height: float, ink: tuple[int, int, int]
    ) -> None:
        for line in lines:
            self.set_x(left)
            for style, words in groupby(line, key=lambda run: replace(run, text="")):
                self._write(replace(style, text="".join(run.text for run in words)), height, ink)
            self.ln(height)

    def _write(self, run: Run, height: float, ink: tuple[int, int, int]) -> None:
        """Write text; bold text is drawn with an outline because there is only one font."""
        colour = self.accent if run.href else ink
        self.set_text_color(*colour)
        self.set_draw_color(*colour)
        self.set_line_width(0.12)
        self.text_mode = TextMode.FILL_STROKE if run.is_strong else TextMode.FILL
        # Shape Arabic letters and combining characters; Latin text does not need it.
        self.set_text_shaping(bool(_SHAPED.search(run.text)))
        width, address = self._width(run.text), self._address(run.href)
        self.cell(width, height, run.text, link=address, new_x=XPos.RIGHT, new_y=YPos.TOP)
        self.set_text_shaping(False)
        self.text_mode = TextMode.FILL

    def _address(self, href: str) -> str:
        """Return the absolute web address of a link, or nothing for other links."""
        address = self._base + href if href.startswith("/") else href
        return address if urlsplit(address).scheme in ("http", "https") else ""

    def _drawable(self, text: str) -> str:
        """Replace each letter that the font cannot draw with a mark."""
        found = []
        for letter in _UNREADABLE.sub("", text):
            if ord(letter) in self._known:
                found.append(letter)
            else:
                found.append(_REPLACEMENT)
                self.is_lacking = True
        return "".join(found)

    # ---- tags ----

    @contextmanager
    def tagged(self, tag: str) -> Iterator[None]:
        self._tag = tag
        self._open_mark()
        yield
        self._out("EMC")
        self._tag = ""

    def _open_mark(self) -> None:
        number = self._marks[self.page]
        self._marks[self.page] += 1
        self._add_marked_content(struct_type=self._tag, mcid=number)
        self._out(f"{self._tag} <</MCID {number}>> BDC")

    def header(self) -> None:
        """Repeat the mark of a block that continues on a new page."""
        if self._tag:
            self._open_mark()

    def footer(self) -> None:
        if self._tag:
            self._out("EMC")
        self._out("/Artifact BMC")
        self.set_y(-_MARGIN + 6)
        self.set_font("aura", size=7.5)
        self.set_text_color(*_SOFT)
        self.cell(self.epw - 30, 4, self._foot)
        page = self._page_words % {"number": self.page_no()}
        self.cell(30, 4, page, align="R")
        self._out("EMC")
