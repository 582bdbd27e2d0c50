"""The documentation has its required form, and every name in it exists."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
from flask import Flask

from app import cli

ROOT = Path(__file__).parents[2]
PLUGIN = ROOT / "wordpress-plugin/siteagent"
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
# Pages that say where things are, file by file. Others also name files that are elsewhere.
MAPS = ["README.md", "docs/ARCHITECTURE.md"]
OUR_FOLDERS = ("app/", "bench/", "docs/", "includes/", "jobs/", "tests/", "wordpress-plugin/")
DECISIONS = (ROOT / "docs/DECISIONS.md").read_text("utf-8")
MAX_LINES, MAX_COLUMNS = 10, 120
# Made by a command and not in the repository.
MADE = {"wordpress-plugin/release"}
OPERATIONS = (ROOT / "docs/OPERATIONS.md").read_text("utf-8")
CONFIG = (ROOT / "app/config.py").read_text("utf-8")
COMPOSE = (ROOT / "compose.yaml").read_text("utf-8")
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")


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


def commands() -> set[str]:
    """Return each command of `flask --app wsgi`, with its group."""
    app = Flask(__name__)
    cli.register(app)
    return {
        f"{name} {part}".strip()
        for name, command in app.cli.commands.items()
        for part in (command.commands if isinstance(command, click.Group) else [""])
    }


def typed_commands(text: str) -> set[str]:
    """Return the commands of `flask` in `text`: each that exists, or else its first two words."""
    typed = re.findall(r"\bflask(?: --app wsgi)? ([a-z][a-z-]*)(?: ([a-z][a-z-]*))?", text)
    existing = commands()
    return {one if one in existing else f"{one} {part}".strip() for one, part in typed}


def missing_targets(text: str) -> list[str]:
    """Return the targets of make that `text` names as code and that do not exist."""
    named = re.findall(r"(?:`|^|&& )make ([a-z][a-z-]*)", text, flags=re.MULTILINE)
    return [one for one in named if not re.search(rf"^{one}:", MAKEFILE, flags=re.MULTILINE)]


def settings() -> set[str]:
    """Return the environment variables that Aura reads."""
    return set(re.findall(r'(?:\benv\.get\(|\benv\[|\benv, )"([A-Z_]+)"', CONFIG))


def unknown_settings(text: str) -> set[str]:
    """Return the variables in `text` that neither Aura nor compose.yaml nor the Makefile reads."""
    named = set(re.findall(r"\bAURA_[A-Z_]+\b", text))
    return named - settings() - set(re.findall(r"\bAURA_[A-Z_]+\b", COMPOSE + MAKEFILE))


def anchors(text: str) -> set[str]:
    """Return the anchors of the headings in `text`, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-") for one in headings}


def dead_links(page: Path) -> list[str]:
    """Return the relative links of `page` to files and headings that do not exist."""
    dead = []
    for target, anchor in re.findall(r"\]\(([^)#:]*)(?:#([^)]+))?\)", page.read_text("utf-8")):
        file = page.parent / target if target else page
        if not file.exists() or (anchor and anchor not in anchors(file.read_text("utf-8"))):
            dead.append(f"{target}#{anchor}" if anchor else target)
    return dead


def missing_files(text: str, *, below: tuple[str, ...] = ("",)) -> list[str]:
    """Return the paths in backquotes in `text` that are in no folder they could be in.

    Only those that begin with one of `below` count.
    """
    paths = [one for one in re.findall(r"`([\w./-]+)`", text) if "/" in one.strip("/")]
    roots = (ROOT, ROOT / "app/models", ROOT / "tests", PLUGIN)
    return [
        path
        for path in paths
        if path.startswith(below)
        and path.rstrip("/") not in MADE
        and not any((root / path).exists() for root in roots)
    ]


def test_decisions_are_short_dated_and_in_order() -> None:
    assert len(decisions(DECISIONS)) > 50
    assert problems_of_decisions(DECISIONS) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    assert dead_links(page) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_named_file_in_our_folders_exists(page: Path) -> None:
    assert missing_files(page.read_text("utf-8"), below=OUR_FOLDERS) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_named_command_and_setting_exists(page: Path) -> None:
    text = page.read_text("utf-8")
    assert typed_commands(text) - commands() == set()
    assert missing_targets(text) == []
    assert unknown_settings(text) == set()


def test_every_command_is_on_a_page() -> None:
    typed = set().union(*(typed_commands(page.read_text("utf-8")) for page in PAGES))
    assert commands() - typed == set()


def test_the_settings_table_lists_exactly_what_aura_reads() -> None:
    table = OPERATIONS.split("\n## Settings\n")[1].split("\n## ")[0]
    cells = re.findall(r"^\| (`[^|]+) \|", table, flags=re.MULTILINE)
    assert {name for cell in cells for name in re.findall(r"`(\w+)`", cell)} == settings()


def test_the_example_settings_file_has_only_known_settings() -> None:
    assert unknown_settings((ROOT / ".env.example").read_text("utf-8")) == set()


@pytest.mark.parametrize("page", MAPS)
def test_every_named_file_exists(page: str) -> None:
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
    links = "[a](gone.md#x) [b](page.md) [c](https://example.com/gone) [d](#gone) [e](page.md#b-cd)"
    page.write_text(f"## B c.d\n{links}", "utf-8")
    assert dead_links(page) == ["gone.md#x", "#gone"]


def test_a_file_that_does_not_exist_is_found() -> None:
    text = "`app/gone.py`, `app/domain/`, `docs`, `a/b c`, `var/gone`"
    assert missing_files(text) == ["app/gone.py", "var/gone"]
    assert missing_files(text, below=OUR_FOLDERS) == ["app/gone.py"]


def test_a_command_or_setting_that_does_not_exist_is_found() -> None:
    text = "`make gone`, make it\nmake run\nflask --app wsgi audit gone, `flask migrate ana@x.y`"
    assert missing_targets(text) == ["gone"]
    assert typed_commands(text) - commands() == {"audit gone"}
    assert unknown_settings("AURA_GONE AURA_VAR AURA_HOST") == {"AURA_GONE"}
