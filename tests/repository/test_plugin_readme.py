"""readme.txt names all that SiteAgent stores, and README.md what it needs."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PLUGIN = ROOT / "wordpress-plugin/siteagent"
README = (PLUGIN / "readme.txt").read_text("utf-8")
SOURCES = "\n".join(path.read_text("utf-8") for path in sorted(PLUGIN.glob("includes/**/*.php")))
# The names of options, tables and temporary values that the uninstaller removes.
LISTS = ("TABLES", "OPTIONS", "TRANSIENTS")
# One name or the beginning of names: options for each component, user meta, scheduled events,
# folders of wp-content, and the watchdog.
SINGLE = ("OPTION", "META", "HOOK", "FOLDER", "PREFIX")


def stored(source: str) -> set[str]:
    """Return the names under which the PHP code in `source` stores something."""
    values = re.findall(rf"const (?:{'|'.join(SINGLE)}) *= '([^']+)'", source)
    for name in LISTS:
        for items in re.findall(rf"const {name} *= array\(([^)]*)\)", source):
            values += re.findall(r"'([^']+)'", items)
    return {value.rstrip("_") for value in values if value.startswith("siteagent")}


def documented(readme: str) -> set[str]:
    """Return the names in the table under "What it stores", as `stored` does."""
    table = readme.split("== What it stores ==")[1].split("\n\n==")[0]
    cells = re.findall(r"^\| (`[^|]+) \|", table, flags=re.MULTILINE)
    names = {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}
    return {re.sub(r"^wp-content/(?:mu-plugins/)?|[-_]…(?:\.php)?$|/$", "", name) for name in names}


def test_the_readme_lists_all_stored_data() -> None:
    assert documented(README) == stored(SOURCES)


def test_missing_names_in_the_readme_are_found() -> None:
    source = """
    const OPTIONS = array( 'siteagent', 'siteagent_new' );
    const TRANSIENTS = array(
        'plugin' => 'update_plugins',
    );
    const HOOK   = 'siteagent_check';
    """
    assert stored(source) == {"siteagent", "siteagent_new", "siteagent_check"}
    readme = "== What it stores ==\n\n| `siteagent` | option |\n| `wp-content/mu-plugins/a-….php` |"
    assert documented(f"{readme}\n\n== Changelog ==") == {"siteagent", "a"}


def test_the_main_readme_names_the_required_versions() -> None:
    header = (PLUGIN / "siteagent.php").read_text("utf-8")
    needed = re.findall(r"^ \* Requires (?:at least|PHP): +(\S+)$", header, flags=re.MULTILINE)
    first_page = " ".join((ROOT / "README.md").read_text("utf-8").split())
    assert "WordPress {} or newer and PHP {} or newer".format(*needed) in first_page
