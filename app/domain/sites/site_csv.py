"""Read sites to add from a CSV file.

Nothing is stored here: every problem is named by line and column, so that a page can show the
result of each line before anything is saved.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from app.domain.csv_cells import unescape_csv_formula
from app.domain.errors import Invalid
from app.domain.sites import sites, tag_names
from app.http.ip_policy import Network

MAX_SITES = 500
MAX_CHARS = 60_000

# The columns that are read, by what a file may call them.
_COLUMNS = {
    "name": "name",
    "site": "name",
    "address": "address",
    "url": "address",
    "client": "client",
    "tags": "tags",
}
_DELIMITERS = ",;\t"


@dataclass(frozen=True)
class Problem:
    """Why a line cannot be imported; `column` is empty if it is about the whole line."""

    column: str
    message: str


@dataclass(frozen=True)
class SiteLine:
    """A line of the file that describes a site; `number` counts from 1, the header included.

    `url` is the normalized address, or what the cell says if that is no address.
    """

    number: int
    name: str
    url: str
    client: str
    tags: dict[str, str]
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class SiteFile:
    """The sites of a file, and the names of its columns that are not read."""

    lines: tuple[SiteLine, ...]
    ignored: tuple[str, ...]

    @property
    def good(self) -> list[SiteLine]:
        """Return the lines that can be imported."""
        return [line for line in self.lines if not line.problems]


@dataclass(frozen=True)
class _Header:
    places: dict[str, int]
    width: int
    ignored: tuple[str, ...]


def read_sites(
    text: str,
    known: Collection[str],
    allow_nets: tuple[Network, ...] | None = None,
    clients: Collection[str] | None = None,
) -> SiteFile:
    """Read a table with a header, in any order of columns, separated by comma, semicolon or tab.

    `known` are the addresses of the sites in Aura. With `allow_nets`, an IP address that Aura
    would never call is a problem. With `clients`, each line has to name one of them, because the
    person sees no others.

    Raises: Invalid('csv', …) if it is no such table, or too long.
    """
    if not text.strip():
        raise Invalid("csv", "Choose a file, or paste its text.")
    if len(text) > MAX_CHARS:
        raise Invalid("csv", f"At most {MAX_CHARS:,} characters. Split the file.")
    rows = _rows(text.removeprefix("\ufeff"))
    header = _header(next(rows)[1])
    lines: list[SiteLine] = []
    first_line: dict[str, int] = {}
    allowed = None if clients is None else {name.casefold() for name in clients}
    for number, cells in rows:
        if not any(cell.strip() for cell in cells):
            continue
        if len(lines) == MAX_SITES:
            raise Invalid("csv", f"At most {MAX_SITES} sites at once. Split the file.")
        line = _checked_for_client(_line(number, cells, header, allow_nets), allowed)
        lines.append(_checked_for_duplicates(line, known, first_line))
    if not lines:
        raise Invalid("csv", "There are no sites below the header.")
    return SiteFile(tuple(lines), header.ignored)


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield each row with the number of the line on which it begins."""
    first = text.partition("\n")[0]
    delimiter = max(_DELIMITERS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    number = 1
    try:
        for cells in reader:
            yield number, cells
            number = reader.line_num + 1
    except csv.Error as why:
        raise Invalid("csv", f"Line {number} is not valid CSV: {why}.") from why


def _header(cells: Sequence[str]) -> _Header:
    places: dict[str, int] = {}
    ignored: list[str] = []
    for place, cell in enumerate(cells):
        column = _COLUMNS.get(cell.strip().lower())
        if column is None or column in places:
            ignored.append(cell.strip()[:40])
        else:
            places[column] = place
    if "address" not in places:
        raise Invalid("csv", "Line 1 must name the columns, for example: name,address,client,tags")
    return _Header(places, len(cells), tuple(name for name in ignored if name))


def _line(
    number: int, cells: Sequence[str], header: _Header, allow_nets: tuple[Network, ...] | None
) -> SiteLine:
    texts = {
        column: unescape_csv_formula(cells[place].strip()) if place < len(cells) else ""
        for column, place in header.places.items()
    }
    name, client = texts.get("name", ""), texts.get("client", "")
    url, tags, problems = texts["address"], {}, []
    if len(cells) > header.width:
        problems.append(Problem("", f"{len(cells)} cells, but the header has {header.width}."))
    try:
        sites.check_names(name=name, client=client)
    except Invalid as refusal:
        problems += [Problem(column, why) for column, why in refusal.messages.items()]
    try:
        url = sites.check_address(url, allow_nets)
    except Invalid as refusal:
        problems.append(Problem("address", refusal.message))
    try:
        tags = tag_names.read(texts.get("tags", ""))
    except Invalid as refusal:
        problems.append(Problem("tags", refusal.message))
    return SiteLine(number, name, url, client, tags, tuple(problems))


def _checked_for_client(line: SiteLine, allowed: Collection[str] | None) -> SiteLine:
    """Add a problem if the line names none of these clients (casefolded)."""
    if allowed is None or line.client.casefold() in allowed:
        return line
    problem = Problem("client", "Choose one of the clients that you see.")
    return replace(line, problems=(*line.problems, problem))


def _checked_for_duplicates(
    line: SiteLine, known: Collection[str], first_line: dict[str, int]
) -> SiteLine:
    """Add a problem if the site is in Aura or on an earlier line; note its line otherwise."""
    if any(problem.column == "address" for problem in line.problems):
        return line
    earlier = first_line.setdefault(line.url, line.number)
    if line.url in known:
        why = "This site is already in Aura."
    elif earlier != line.number:
        why = f"Same address as line {earlier}."
    else:
        return line
    return replace(line, problems=(*line.problems, Problem("address", why)))
