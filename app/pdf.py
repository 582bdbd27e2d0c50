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
from dataclasses import dataclass, field, replace
from datetime import datetime
from html.parser import HTMLParser
from itertools import groupby
from pathlib import Path
from urllib.parse import urlsplit

from fpdf import FPDF
from fpdf.enums import TextMode, XPos, YPos
from fpdf.prefs import ViewerPreferences

_FONT = Path(__file__).parent / "fonts" / "DejaVuSans.ttf"
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
# Control characters and characters that change the text direction.
_UNREADABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]"
)
# Scripts with contextual letter forms, and combining characters.
_SHAPED = re.compile("[\u0300-\u036f\u0590-\u1aff\ufb1d-\ufdff\ufe70-\ufefe]")
_WORDS = re.compile(r"[^ ]* ?")
_SPACES = re.compile(r"\s+")

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
class Run:
    """Text in one style; `href` is its link."""

    text: str
    href: str = ""
    is_strong: bool = False


@dataclass
class Block:
    """A paragraph, heading, list item, or fact with its term."""

    kind: str
    term: str = ""
    runs: list[Run] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(run.text for run in self.runs)


def render_pdf(
    html: str,
    *,
    title: str,
    subtitle: str,
    base: str,
    at: datetime,
    logo: bytes | None = None,
    accent: str = "",
) -> bytes:
    """Render the blocks of `html` under `title`, in English.

    Links begin at `base`. `at` is the date of the document. `logo` is a PNG for the first page, and
    `accent` the color of links as #rrggbb.
    """
    paper = _PdfDocument(title, subtitle, base, at)
    if accent:
        paper.accent = bytes.fromhex(accent[1:])
    if logo:
        paper.put_logo(logo)
    paper.put(Block("h1", runs=[Run(title)]))
    paper.put(Block("p", runs=[Run(subtitle)]))
    for block in blocks_of(html):
        paper.put(block)
    if paper.is_lacking:
        paper.put(Block("p", runs=[Run(_NOTE)]))
    return bytes(paper.output())


def blocks_of(html: str) -> list[Block]:
    """Return the blocks in order. The text of unknown tags is kept."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return [block for block in reader.blocks if block.text.strip()]


class _Reader(HTMLParser):
    """Parse the HTML of Aura's own templates, which escape all input."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.blocks: list[Block] = []
        self._block: Block | None = None
        self._term = ""
        self._href = ""
        self._is_strong = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "dt":
            self._block = Block("dt")
        elif tag in _STYLES:
            self._block = Block(tag, term=self._term if tag == "dd" else "")
            self.blocks.append(self._block)
        elif tag == "a":
            self._href = dict(attrs).get("href") or ""
        elif tag == "strong":
            self._is_strong = True

    def handle_endtag(self, tag: str) -> None:
        if tag == "dt" and self._block is not None:
            self._term = self._block.text.strip()
        if tag == "dt" or tag in _STYLES:
            self._block = None
        elif tag == "a":
            self._href = ""
        elif tag == "strong":
            self._is_strong = False

    def handle_data(self, data: str) -> None:
        if self._block is None:
            return
        before = self._block.runs[-1].text if self._block.runs else ""
        text = _SPACES.sub(" ", data)
        if not before or before.endswith(" "):
            text = text.lstrip(" ")
        if text:
            self._block.runs.append(Run(text, self._href, self._is_strong))


class _PdfDocument(FPDF):
    """A4 pages on which all text is in tagged blocks, also across page breaks.

    fpdf2 tags only images, so this class writes the tags with fpdf2's internals. A test reads them
    back, because those may change.
    """

    def __init__(self, title: str, subtitle: str, base: str, at: datetime) -> None:
        super().__init__(orientation="portrait", unit="mm", format="A4")
        self.is_lacking = False
        self.accent: Sequence[int] = _ACCENT
        self._base = base
        self._tag = ""
        self._marks: Counter[int] = Counter()
        self._widths: dict[tuple[str, float], float] = {}
        self.add_font("aura", fname=_FONT)
        self._known = frozenset(self.fonts["aura"].cmap)  # type: ignore[union-attr]  # a file gives a TTFFont
        self._foot = self._drawable(f"{title}, {subtitle}")[:120]
        self.set_title(self._drawable(title))
        self.set_lang("en")
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
        self._out("/Artifact BMC")
        self.image(io.BytesIO(png), _MARGIN, self.get_y(), width, height)
        self._out("EMC")
        self.set_y(self.get_y() + height + 6)

    def put(self, block: Block) -> None:
        """Add one block, on the next page if it would be split."""
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
        with self._tagged(tag):
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
    def _tagged(self, tag: str) -> Iterator[None]:
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
        self.cell(30, 4, f"Page {self.page_no()}", align="R")
        self._out("EMC")
