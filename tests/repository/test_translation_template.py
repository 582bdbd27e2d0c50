"""The template that SiteAgent's translators start from has every text of the plugin in it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.translation_template import messages

WORDPRESS_PLUGIN = Path(__file__).parents[2] / "wordpress-plugin"
TEMPLATE = WORDPRESS_PLUGIN / "siteagent/languages/siteagent.pot"


def make_pot(plugin: Path, target: Path) -> str:
    made = subprocess.run(
        [plugin / "make-pot", target], capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stderr
    return target.read_text("utf-8")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Return a copy of the plugin and its script for changes."""
    shutil.copytree(WORDPRESS_PLUGIN / "siteagent", tmp_path / "siteagent")
    shutil.copy(WORDPRESS_PLUGIN / "make-pot", tmp_path)
    return tmp_path


def test_the_template_is_up_to_date(tmp_path: Path) -> None:
    assert make_pot(WORDPRESS_PLUGIN, tmp_path / "new.pot") == TEMPLATE.read_text("utf-8"), (
        "run `make pot`"
    )


def test_a_new_string_changes_the_template(copy: Path) -> None:
    (copy / "siteagent/new.php").write_text("<?php _e( 'Sync “now”', 'siteagent' );\n", "utf-8")
    new = set(messages(make_pot(copy, copy / "new.pot"))) - set(
        messages(TEMPLATE.read_text("utf-8"))
    )
    assert new == {"Sync “now”"}


def test_moving_a_string_to_another_line_does_not_change_the_template(copy: Path) -> None:
    main = copy / "siteagent/siteagent.php"
    main.write_text(main.read_text("utf-8") + "\n\n// The end.\n", "utf-8")
    assert make_pot(copy, copy / "new.pot") == TEMPLATE.read_text("utf-8")


def test_headers_and_reasons_of_the_manifest_are_translatable() -> None:
    found = set(messages(TEMPLATE.read_text("utf-8")))
    assert "Shows how recent the report is." in found
    assert any(text.startswith("Lets your agency see what is out of date") for text in found)


def test_a_text_with_a_placeholder_explains_it_to_translators() -> None:
    unexplained = [
        entry
        for entry in TEMPLATE.read_text("utf-8").split("\n\n")
        if "php-format" in entry and "#. translators:" not in entry
    ]
    assert unexplained == []
