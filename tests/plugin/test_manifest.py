"""Report schema: only the listed fields leave a site, in their types and sizes."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.inventory import report_schema
from tests.plugin.support.report_paths import paths
from tests.support.hypothesis_profiles import examples

PROJECT = Path(__file__).parents[1] / "php-fixtures" / "project.php"
BANNED = ("email", "user", "login", "password", "salt", "secret", "token", "path", "abspath", "ip")


def project(*gathered: dict[str, Any], listed: Path | None = None) -> list[dict[str, Any]]:
    """Return what the plugin's report schema lets through of each report."""
    php = shutil.which("php")
    assert php, "These tests need PHP on the command line; `make prepare` installs it."
    lines = "".join(json.dumps(report) + "\n" for report in gathered)
    command = [php, "-d", "display_errors=stderr", str(PROJECT), *([str(listed)] if listed else [])]
    result = subprocess.run(command, input=lines, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    assert not result.stderr, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


def full_report() -> dict[str, Any]:
    """Return a gathered report with one item in every list."""
    gathered: dict[str, Any] = {}
    for field in report_schema.fields():
        section, parts = gathered, field.path.split(".")
        for part in parts[:-1]:
            if part.endswith("[]"):
                section = section.setdefault(part[:-2], [{}])[0]
            else:
                section = section.setdefault(part, {})
        value: Any = {"string": "text", "integer": 1, "boolean": True}[field.type]
        value = field.enum[-1] if field.enum else value
        if parts[-1].endswith("[]"):
            section[parts[-1][:-2]] = [value]
        else:
            section[parts[-1]] = value
    return gathered


def test_every_field_has_a_reason_a_site_owner_understands():
    for field in report_schema.fields():
        assert field.why[0].isupper(), field.path
        assert field.why.endswith("."), field.path
        assert 20 <= len(field.why) <= 200, field.path


def test_no_field_is_listed_twice():
    listed = [field.path for field in report_schema.fields()]
    assert len(listed) == len(set(listed))


def test_no_field_is_named_like_a_secret_or_a_person():
    for field in report_schema.fields():
        words = field.path.lower().replace("[]", "").replace("_", ".").split(".")
        assert not set(words) & set(BANNED), field.path


def test_every_text_has_a_limit_of_at_most_300_characters():
    for field in json.loads(report_schema.MANIFEST.read_text("utf-8"))["fields"]:
        if field["type"] == "string":
            assert 0 < field["max"] <= 300, field["path"]


def test_a_full_report_passes_unchanged():
    assert project(full_report()) == [full_report()]


def test_the_dashboard_accepts_what_the_plugin_lets_through():
    for projected in project(full_report(), {"v": 1, "taken_at": 1}):
        checked = report_schema.check(projected)
        assert checked.dropped == 0
        assert checked.document == projected


def test_unlisted_fields_are_dropped_at_every_depth():
    gathered = full_report()
    gathered["users"] = ["admin"]
    gathered["wordpress"]["admin_email"] = "ana@example.com"
    gathered["plugins"][0]["path"] = "/var/www"
    gathered["updates"]["plugins"][0]["download"] = "https://shop.example/?licence=1"
    gathered["updates"]["checked_at"]["by"] = "ana"
    assert project(gathered) == [full_report()]


def test_a_missing_value_is_empty_and_never_left_out():
    (projected,) = project({})
    assert projected["wordpress"]["version"] == ""
    assert projected["health"]["disk_free"] is None
    assert projected["plugins"] == []
    expected = {field.path for field in report_schema.fields() if "[]" not in field.path}
    assert paths(projected) == expected


@pytest.mark.parametrize("wrong", [[], {}, "text", 1, True, None, [["deep"]]])
def test_a_value_of_a_wrong_type_becomes_an_empty_one_of_the_right_type(wrong):
    gathered = {
        "wordpress": {"version": wrong, "debug": wrong},
        "php": {"max_execution_time": wrong},
        "plugins": [{"id": wrong}] if wrong != [] else [],
    }
    (projected,) = project(gathered)
    report_schema.check({**projected, "v": 1})


def test_a_section_of_a_wrong_type_becomes_empty():
    (projected,) = project({"wordpress": "text", "plugins": 5, "updates": [], "health": None})
    assert projected["plugins"] == []
    assert projected["updates"]["core"] == []


def test_texts_are_cut_at_their_limit_counted_in_characters():
    (projected,) = project({"wordpress": {"version": "é" * 500}, "plugins": [{"name": "😀" * 500}]})
    assert projected["wordpress"]["version"] == "é" * 32
    assert projected["plugins"][0]["name"] == "😀" * 300


def test_control_and_direction_characters_are_removed():
    (projected,) = project({"plugins": [{"name": "A\x00\x1b[31mB\r\n\u202eC\u2066"}]})
    assert projected["plugins"][0]["name"] == "A[31mBC"


def test_invalid_utf8_does_not_break_the_report():
    (projected,) = project({"plugins": [{"name": "hex:" + b"caf\xe9 \xff".hex()}]})
    assert projected["plugins"][0]["name"] == "caf? ?"


def test_an_unknown_choice_becomes_the_first_one():
    (projected,) = project({"wordpress": {"environment": "moon"}})
    assert projected["wordpress"]["environment"] == "production"


def test_numbers_are_limited_to_what_json_represents_exactly():
    (projected,) = project({"health": {"disk_free": 9.9e300, "cron_overdue": 12.7}})
    assert projected["health"]["disk_free"] == 2**53 - 1
    assert projected["health"]["cron_overdue"] == 12


def test_a_damaged_manifest_lets_nothing_through(tmp_path):
    for text in ("", "{", "[]", '{"v": 2, "fields": []}', '{"v": 1}'):
        broken = tmp_path / "manifest.json"
        broken.write_text(text)
        with pytest.raises(AssertionError, match="missing or damaged"):
            project({}, listed=broken)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=10,
)
section_names = st.sampled_from(
    ["v", "taken_at", "wordpress", "php", "plugins", "themes", "updates", "health", "users", "x"]
)


@examples(quick=15, thorough=100)
@given(st.lists(st.dictionaries(section_names, json_values, max_size=6), min_size=8, max_size=8))
def test_the_dashboard_can_read_any_projected_report(gathered):
    listed = {field.path for field in report_schema.fields()}
    for projected in project(*gathered):
        assert paths(projected) <= listed
        report_schema.check({**projected, "v": 1})
