"""Static files and templates: pinned scripts, readable colors, nothing inline."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

APP = Path(__file__).parents[2] / "app"
STATIC = APP / "static"
TEMPLATES = sorted((APP / "templates").rglob("*.html"))
CSS = "\n".join(path.read_text("utf-8") for path in sorted((STATIC / "css").glob("*.css")))

# (text, ground, least contrast): 4.5 for text, 3 for the edges of controls.
PAIRS = [
    *[(ink, ground, 4.5) for ink in ("ink", "ink-2") for ground in ("canvas", "surface", "sunk")],
    ("ink", "hover", 4.5),
    ("ink-3", "canvas", 4.5),
    ("ink-3", "surface", 4.5),
    ("ink-3", "sunk", 4.5),
    ("ink-3", "hover", 4.5),
    ("accent", "canvas", 4.5),
    ("accent", "surface", 4.5),
    ("accent", "accent-wash", 4.5),
    ("accent-deep", "surface", 4.5),
    ("on-accent", "accent", 4.5),
    ("on-accent", "accent-deep", 4.5),
    ("on-bad", "bad-solid", 4.5),
    ("bad", "surface", 4.5),
    ("surface", "ink", 4.5),
    ("control", "surface", 3.0),
    ("control", "canvas", 3.0),
    ("chart-1", "surface", 3.0),
    ("chart-2", "surface", 3.0),
    ("chart-3", "surface", 3.0),
    *[(tone, f"{tone}-wash", 4.5) for tone in ("good", "warn", "bad", "wait")],
    *[
        (ink, f"{tone}-wash", 4.5)
        for ink in ("ink", "ink-2")
        for tone in ("good", "warn", "bad", "wait", "accent")
    ],
]


def _themes() -> dict[str, dict[str, str]]:
    """Return the colors of both themes, read from `--name: light-dark(#light, #dark)`."""
    pattern = r"--([a-z0-9-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\);"
    found = re.findall(pattern, CSS)
    return {
        "light": {name: light for name, light, _ in found},
        "dark": {name: dark for name, _, dark in found},
    }


def _luminance(color: str) -> float:
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: str, second: str) -> float:
    light, dark = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_contrast_is_measured_as_the_standard_says():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("text", "ground", "least"), PAIRS)
def test_colors_are_readable_in_both_themes(theme, text, ground, least):
    colors = _themes()[theme]
    assert contrast(colors[text], colors[ground]) >= least


def test_every_color_is_a_token_of_both_themes():
    """Rules use tokens instead of colors, so that both themes define every color."""
    layers = [
        path for path in (STATIC / "css").glob("*.css") if path.stem not in ("tokens", "print")
    ]
    assert len(layers) > 4
    for path in layers:
        text = path.read_text("utf-8")
        assert re.findall(r"#[0-9a-f]{3,8}\b(?=[;,) ])", text) == [], path.name
    assert len(_themes()["light"]) > 20


def test_every_token_a_rule_uses_is_defined():
    assert set(re.findall(r"var\(--([a-z0-9-]+)", CSS)) == set(re.findall(r"--([a-z0-9-]+):", CSS))


def test_vendored_scripts_are_the_pinned_bytes():
    vendor = STATIC / "vendor"
    lines = (vendor / "SHA256SUMS").read_text("ascii").splitlines()
    pinned = {name: digest for digest, name in map(str.split, lines)}
    assert pinned.keys() == {path.name for path in vendor.glob("*.js")}
    for name, digest in pinned.items():
        assert hashlib.sha256((vendor / name).read_bytes()).hexdigest() == digest


def test_templates_hold_no_inline_code_or_style():
    found = {_name(path): inline_parts(path.read_text("utf-8")) for path in TEMPLATES}
    assert {name: parts for name, parts in found.items() if parts} == {}


def inline_parts(template):
    """Return what the Content Security Policy forbids, and what is not escaped."""
    text = re.sub(r"\{#.*?#\}", "", template, flags=re.DOTALL)
    inline = r"\sstyle\s*=|<style\b|\son[a-z]+\s*=|<script(?![^>]*\bsrc=)"
    unescaped = r"\|safe|autoescapefalse"
    return re.findall(inline, text) + re.findall(unescaped, text.replace(" ", ""))


@pytest.mark.parametrize(
    "template",
    [
        '<p style="color: red">',
        "<style>p { color: red }</style>",
        '<p onclick="go()">',
        "<script>go()</script>",
        "{{ text | safe }}",
        "{% autoescape false %}",
    ],
)
def test_inline_code_and_unescaped_output_are_found(template):
    assert inline_parts(template)
    assert not inline_parts('<script src="a.js"></script>{# <style> #}<p class="style">')


def test_templates_use_every_macro_they_import():
    found = {_name(path): unused_macros(path.read_text("utf-8")) for path in TEMPLATES}
    assert {name: macros for name, macros in found.items() if macros} == {}


def unused_macros(template):
    """Return the macros that a template imports and does not use."""
    body = re.sub(r"\{% (?:from|import) .*?%\}|\{#.*?#\}", "", template, flags=re.DOTALL)
    imported = re.findall(r"\{% from \"[^\"]+\" import ([^%]+)%\}", template)
    names = [
        macro.strip() for line in imported for macro in line.replace("with context", "").split(",")
    ]
    return [name for name in names if not re.search(rf"\b{name}\b", body)]


def test_an_unused_macro_is_found():
    line = '{% from "a.html" import one, two with context %}'
    assert unused_macros(line + "{{ one() }}{# two #}") == ["two"]
    assert unused_macros(line + "{{ one(two) }}") == []


def _name(path):
    return str(path.relative_to(APP / "templates"))


def test_every_static_file_a_page_names_exists():
    named = {
        name
        for path in TEMPLATES
        for name in re.findall(r"filename='([^']+)'", path.read_text("utf-8"))
    }
    assert named
    assert [name for name in sorted(named) if not (STATIC / name).is_file()] == []


def test_every_icon_a_page_names_is_in_the_sprite():
    sprite = set(re.findall(r'<symbol id="([a-z-]+)"', (STATIC / "icons/lucide.svg").read_text()))
    text = "\n".join(path.read_text("utf-8") for path in TEMPLATES)
    called = set(re.findall(r"\bicon\(\"([a-z-]+)\"", text))
    called |= set(re.findall(r"symbol=\"([a-z-]+)\"", text))
    called |= set(re.findall(r"\"(?:primary|quiet|danger|plain)\", \"([a-z-]+)\"", text))
    called |= set(re.findall(r"\"(?:good|warn|bad|info|quiet)\", \"([a-z-]+)\"\)", text))
    assert len(called) > 15
    assert called <= sprite


# ---- every class of a template has a rule, and every rule a template ----


def classes_in(template: str) -> tuple[set[str], set[str]]:
    """Return the classes that a template names, and the beginnings of composed ones."""
    text = re.sub(r"\{#.*?#\}", "", template, flags=re.DOTALL)
    named, begun = set(), set()
    for value in re.findall(r'\sclass="((?:\{\{.*?\}\}|\{%.*?%\}|[^"])*)"', text):
        literal = re.sub(r"\{\{.*?\}\}", "$", re.sub(r"\{%.*?%\}", " ", value))
        for word in literal.split():
            before, dynamic, _ = word.partition("$")
            (begun if dynamic else named).add(before)
    named |= set(re.findall(r"\{% block (?:head_)?kind %\}([a-z-]+)\{%", text))
    return named, begun - {""}


def classes_ruled(css: str) -> set[str]:
    """Return the classes that a rule of the stylesheet selects."""
    return set(re.findall(r"\.([a-z][a-z0-9-]*)", re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL)))


def orphans(templates: list[str], css: str) -> set[str]:
    """Return classes without a rule, and rules without a class."""
    named, begun = set(), set()
    for template in templates:
        some, parts = classes_in(template)
        named, begun = named | some, begun | parts
    ruled = classes_ruled(css)
    composed = {word for word in ruled if word.startswith(tuple(begun))}
    lost = {word for word in begun if not any(name.startswith(word) for name in ruled)}
    return (named - ruled) | (ruled - named - composed) | lost


def test_without_scripts_no_page_promises_automatic_updates():
    """app.js shows these words, because only app.js updates the page."""
    for template in TEMPLATES:
        for found in re.finditer(
            r"(<[^>]*>)[^<>]*(?:updates automatically|stop live updates)",
            template.read_text("utf-8"),
        ):
            assert "data-refreshes" in found[1] or found[1].startswith("<a "), template


def test_an_icon_has_one_meaning():
    """Round arrows mark a button that starts something, never something that is running."""
    for template in TEMPLATES:
        text = template.read_text("utf-8")
        assert not re.search(r'badge\([^)]*"refresh-cw"', text), template
    words = (APP / "templates" / "changes" / "_words.html").read_text("utf-8")
    states = words.split("set STATES", 1)[1].split("%}", 1)[0]
    icons = dict(re.findall(r'"(\w+)": \("[^"]+", "\w+", "([\w-]+)"\)', states))
    assert (icons["running"], icons["rolled_back"]) == ("loader", "undo")
    assert "refresh-cw" not in icons.values()


def test_forms_and_texts_have_a_width_of_their_own():
    """Lines stay readable and edges line up on a wide screen."""
    for selector, width in ((r"\.form", "36rem"), (r"\.prose", "80ch"), ("p, li, dd", "80ch")):
        assert re.search(rf"^  {selector} {{[^}}]*max-width: {width};", CSS, re.MULTILINE), selector


def test_every_class_has_a_rule_and_every_rule_a_class():
    # The document of a report is part of a page as well.
    paths = [*TEMPLATES, APP / "report_templates/document.html"]
    assert orphans([path.read_text("utf-8") for path in paths], CSS) == set()


@pytest.mark.parametrize(
    ("template", "css"),
    [
        ('<p class="check">', ".tick { color: red }"),
        ('<p class="tick">', ".tick { color: red } .gone { color: red }"),
        ('<p class="odd-{{ kind }}">', ".tick { color: red }"),
        ('<p class="tick{% if x %} more{% endif %}">', ".tick { color: red }"),
    ],
)
def test_an_orphan_is_found(template, css):
    assert orphans([template], css)
