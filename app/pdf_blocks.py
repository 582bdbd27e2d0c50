"""Read the HTML of a report as blocks that app/pdf.py draws."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

_SPACES = re.compile(r"\s+")
_KINDS = ("h1", "h2", "h3", "p", "li", "dd")
# A list of facts of this class is a row of figures.
_FIGURES = "figures"
# A heading of this class begins a page.
_NEW_PAGE = "details"


@dataclass(frozen=True)
class Run:
    """Text in one style; `href` is its link."""

    text: str
    href: str = ""
    is_strong: bool = False


@dataclass
class Block:
    """A paragraph, heading, list item, fact with its term, or a row of figures.

    `figures` are labels and values. `days` are the states of a strip above the text.
    """

    kind: str
    term: str = ""
    runs: list[Run] = field(default_factory=list)
    figures: list[tuple[str, str]] = field(default_factory=list)
    days: tuple[str, ...] = ()
    starts_page: bool = False

    @property
    def text(self) -> str:
        return "".join(run.text for run in self.runs)


def blocks_of(html: str) -> list[Block]:
    """Return the blocks in order. The text of unknown tags is kept."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return [block for block in reader.blocks if block.text.strip() or block.figures]


class _Reader(HTMLParser):
    """Parse the HTML of Aura's own templates, which escape all input."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.blocks: list[Block] = []
        self._block: Block | None = None
        self._term = ""
        self._href = ""
        self._is_strong = False
        self._figures: Block | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        if tag == "dl" and known.get("class") == _FIGURES:
            self._figures = Block(_FIGURES)
            self.blocks.append(self._figures)
        elif tag == "dd" and self._figures is not None:
            self._block = Block(tag, term=self._term)
        elif tag == "dt":
            self._block = Block("dt")
        elif tag in _KINDS:
            days = tuple((known.get("data-states") or "").split(","))
            self._block = Block(tag, term=self._term if tag == "dd" else "")
            self._block.days = days if "data-states" in known else ()
            self._block.starts_page = known.get("class") == _NEW_PAGE
            self.blocks.append(self._block)
        elif tag == "a":
            self._href = known.get("href") or ""
        elif tag == "strong":
            self._is_strong = True

    def handle_endtag(self, tag: str) -> None:
        if tag == "dt" and self._block is not None:
            self._term = self._block.text.strip()
        if tag == "dd" and self._block is not None and self._figures is not None:
            self._figures.figures.append((self._term, self._block.text.strip()))
        if tag == "dl":
            self._figures = None
        if tag == "dt" or tag in _KINDS:
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
