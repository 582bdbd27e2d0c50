"""The documentation keeps its form, and names only what exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLUGIN = ROOT / "wordpress-plugin/siteagent"
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
# Pages that say where things are, file by file.
MAPS = ["README.md", "docs/ARCHITECTURE.md"]
DECISIONS = (ROOT / "docs/DECISIONS.md").read_text("utf-8")
MAX_LINES, MAX_COLUMNS = 10, 120
# Made by a command and not in the repository.
MADE = {"wordpress-plugin/release/"}


def decisions(text: str) -> list[str]:
    """Return each decision of `text`, from its heading to the next."""
    return [part.strip() for part in re.split(r"^(?=### )", text, flags=re.MULTILINE)[1:]]


def problems_of_decisions(text: str) -> list[str]:
    """Return what is wrong with the form of the decisions in `text`."""
    problems, previous = [], ""
    for decision in decisions(text):
        title, *body = decision.splitlines()
        heading = re.fullmatch(r"### (\d{4}-\d{2}-\d{2}) \S.*", title)
        parts = re.findall(r"^\* \*\*(.+?):\*\* ", "\n".join(body), flags=re.MULTILINE)
        if heading is None or parts != ["Decision", "Why", "Trade-off"]:
            problems.append(f"{title}: not dated, or not Decision, Why and Trade-off")
        if heading and heading[1] < previous:
            problems.append(f"{title}: not in date order")
        if 1 + len(body) > MAX_LINES or max(map(len, decision.splitlines())) > MAX_COLUMNS:
            problems.append(f"{title}: too long")
        previous = heading[1] if heading else previous
    return problems


def dead_links(page: Path) -> list[str]:
    """Return the relative links of `page` that lead nowhere."""
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text("utf-8"))
    return [target for target in targets if not (page.parent / target).exists()]


def missing_files(text: str) -> list[str]:
    """Return the paths in backquotes in `text` that are in no folder they could be in."""
    paths = [one for one in re.findall(r"`([\w./-]+)`", text) if "/" in one.strip("/")]
    roots = (ROOT, ROOT / "app/models", ROOT / "tests", PLUGIN)
    return [
        path
        for path in paths
        if path not in MADE and not any((root / path).exists() for root in roots)
    ]


def test_decisions_are_short_dated_and_in_order() -> None:
    assert len(decisions(DECISIONS)) > 50
    assert problems_of_decisions(DECISIONS) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    assert dead_links(page) == []


@pytest.mark.parametrize("page", MAPS)
def test_every_file_that_is_named_exists(page: str) -> None:
    assert missing_files((ROOT / page).read_text("utf-8")) == []


GOOD = "### 2026-11-24 Titled\n* **Decision:** a\n* **Why:** b\n* **Trade-off:** c\n"


@pytest.mark.parametrize(
    "text",
    [
        GOOD.replace("2026-11-24 ", ""),
        GOOD.replace("* **Why:** b\n", ""),
        GOOD + "\n" + GOOD.replace("24", "23"),
        GOOD.replace("a\n", "a\n" * 8),
        GOOD.replace("a\n", "a" * 120 + "\n"),
    ],
)
def test_a_decision_of_another_form_is_found(text: str) -> None:
    assert problems_of_decisions(GOOD) == []
    assert len(problems_of_decisions(text)) == 1


def test_a_dead_link_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("[a](gone.md#x) [b](page.md) [c](https://example.com/gone)", "utf-8")
    assert dead_links(page) == ["gone.md"]


def test_a_file_that_does_not_exist_is_found() -> None:
    assert missing_files("`app/gone.py`, `app/domain/`, `docs`, `a/b c`") == ["app/gone.py"]
