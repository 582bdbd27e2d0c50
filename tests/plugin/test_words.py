"""Check the plugin's source: translatable texts, escaped output, and complete lists of labels."""

from __future__ import annotations

import re
from pathlib import Path

PLUGIN = Path(__file__).parents[2] / "wordpress-plugin" / "siteagent"
SOURCES = sorted(PLUGIN.rglob("*.php"))
CALL = re.compile(r"(?<![\w>:])(?:__|_e|_n|_x|_nx|esc_(?:html|attr)_(?:_|e|x))\(")
PRINTED = re.compile(r"(?:<\?php\s+echo|<\?=|^\s*echo)\s+(.*?);?\s*(?:\?>|$)", re.MULTILINE)
ESCAPED = ("esc_html(", "esc_attr(", "esc_url(", "esc_textarea(", "esc_html__(", "esc_attr__(")
# A fixed text, or a choice between two fixed texts.
FIXED = re.compile(r"^(?:[^?;]*\?\s*)?'[^'$]*'(?:\s*:\s*'[^'$]*')?$")


def arguments(text: str, start: int) -> str:
    """Return the text between the brackets that open before `start`."""
    depth, quoted, at = 1, False, start
    while depth:
        if text[at] == "'" and text[at - 1] != "\\":
            quoted = not quoted
        elif not quoted:
            depth += {"(": 1, ")": -1}.get(text[at], 0)
        at += 1
    return text[start : at - 1]


def test_every_translated_text_has_the_text_domain_siteagent():
    for source in SOURCES:
        text = source.read_text("utf-8")
        for call in CALL.finditer(text):
            inside = arguments(text, call.end()).strip()
            assert inside.endswith("'siteagent'"), f"{source}: {inside}"
            assert inside.startswith("'"), f"{source}: not a fixed text: {inside}"


def test_everything_that_is_printed_in_wp_admin_is_escaped():
    in_admin = [file for file in SOURCES if "admin" in file.relative_to(PLUGIN).parts]
    assert len(in_admin) > 20
    for source in in_admin:
        for printed in PRINTED.finditer(source.read_text("utf-8")):
            what = printed[1].strip()
            assert what.startswith(ESCAPED) or FIXED.match(what), f"{source}: {what}"


def test_no_file_does_anything_when_it_is_called_directly():
    for source in SOURCES:
        text = source.read_text("utf-8")
        if source.name == "index.php":
            assert re.fullmatch(r"<\?php\n// .+\n", text), source
            continue
        guard = "WP_UNINSTALL_PLUGIN" if source.name == "uninstall.php" else "ABSPATH"
        assert f"defined( '{guard}' ) || exit;" in text, source
        assert "declare( strict_types=1 );" in text, source


def test_every_folder_has_an_index_file():
    folders = [PLUGIN, *(folder for folder in PLUGIN.rglob("*") if folder.is_dir())]
    assert [folder for folder in folders if not (folder / "index.php").is_file()] == []


def test_every_logged_event_has_a_label():
    recorded = {
        event
        for source in SOURCES
        for event in re.findall(r"->append\(\s*'([a-z_]+)'", source.read_text("utf-8"))
    }
    code = (PLUGIN / "includes" / "admin" / "class-siteagent-log-formatter.php").read_text("utf-8")
    labels = code.split("function event_labels")[1].split("\n\t}")[0]
    labeled = set(re.findall(r"^\t\t\t'([a-z_]+)'\s*=> __\(", labels, re.MULTILINE))
    assert len(recorded) > 5
    assert recorded == labeled


def test_the_class_map_names_every_class_and_its_file():
    includes = PLUGIN / "includes"
    listed = dict(
        re.findall(
            r"^\t'(\w+)' +=> '([^']+)',$", (includes / "class-map.php").read_text(), re.MULTILINE
        )
    )
    found = {}
    for source in includes.rglob("class-siteagent-*.php"):
        text = source.read_text("utf-8")
        [name] = re.findall(r"^(?:final )?(?:class|trait|interface) (\w+)", text, re.MULTILINE)
        assert source.name == f"class-{name.lower().replace('_', '-')}.php"
        found[name] = source.relative_to(includes).as_posix()
    assert listed == found


def test_no_php_file_of_siteagent_is_longer_than_400_lines():
    long = {
        source.relative_to(PLUGIN).as_posix(): lines
        for source in SOURCES
        if (lines := len(source.read_text("utf-8").splitlines())) > 400
    }
    assert long == {}


def test_every_class_of_a_view_has_a_style_and_every_style_a_view():
    styles = set(
        re.findall(r"\.(siteagent-[\w-]+)", (PLUGIN / "assets" / "admin.css").read_text("utf-8"))
    )
    views = "".join(
        source.read_text("utf-8") for source in (PLUGIN / "includes" / "admin").rglob("*.php")
    )
    named = " ".join(re.findall(r'class="([^"]*)"', views))
    used = set(re.findall(r"(?<![\w-])siteagent-[\w-]+", named))
    assert used == styles


def test_every_reason_of_an_update_has_a_label():
    folder = PLUGIN / "includes"
    found: set[str] = set()
    for source in (folder / "updates").glob("*.php"):
        text = source.read_text("utf-8")
        found |= set(re.findall(r"(?:yield|return|roll_back\() '([a-z]+(?:_[a-z]+)+|busy)'", text))
        found |= set(re.findall(r"'(?:failed|refused)', '([a-z_]+)'", text))
        found |= set(re.findall(r"\$this->refusal = '([a-z_]+)';", text))
        found |= set(re.findall(r"^\t\t'[a-z_]+' +=> '([a-z]+_[a-z_]+)',$", text, re.MULTILINE))
    reasons = (folder / "admin" / "class-siteagent-update-reasons.php").read_text("utf-8")
    labels = set(re.findall(r"^\t\t\t'([a-z_]+)'\s*=> __\(", reasons, re.MULTILINE))
    assert {"busy", "fatal_after", "permission_off", "package_changed", "requires_php"} <= found
    assert found <= labels
