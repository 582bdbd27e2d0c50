"""Search and export the site's log, and verify an export without the site."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from tests.plugin.support.forms import connect_by_forms
from tests.plugin.support.signed_requests import forget
from tests.plugin.support.wp_admin import Person, hidden, words
from tests.support.running_verifier import verify

# Imitate WP-CLI: record the output, and end the command on an error.
TERMINAL = """
class WP_CLI_Ended extends Exception {}
class WP_CLI {
    public static $output = array();
    public static function line($text) { self::$output[] = $text; }
    public static function success($text) { self::$output[] = "Success: $text"; }
    public static function error($text) {
        self::$output[] = "Error: $text";
        throw new WP_CLI_Ended();
    }
}
"""


@pytest.fixture
def ana(wp) -> Person:
    return Person(wp.url, wp.admin, wp.password)


@pytest.fixture
def used_site(wp, ana: Person):
    """Connect the site and send it a few requests."""
    forget(wp)
    wp.evaluate("siteagent()->audit_log()->drop(); siteagent()->create_tables(); return 0;")
    desk = connect_by_forms(wp, ana)
    for _ in range(3):
        desk.ask("ping")
    return desk


def run_command(wp, call: str) -> list[str]:
    """Return what `wp siteagent audit …` prints."""
    code = (
        f"{TERMINAL} try {{ siteagent()->cli_command()->{call}; }} catch (WP_CLI_Ended $end) {{}}"
    )
    return wp.evaluate(f"{code} return WP_CLI::$output;")


def export_log(ana: Person, form: str):
    page = ana.page("&tab=log").text
    response = ana.send("siteagent_export_log", **hidden(page, "siteagent_export_log"), form=form)
    assert response.status_code == 200
    return response


def alter_second_entry(wp, body: str) -> None:
    wp.evaluate(
        f"""
        global $wpdb;
        $table = $wpdb->base_prefix . 'siteagent_log';
        $change = "UPDATE $table SET body = %s WHERE seq = 2";
        $wpdb->query($wpdb->prepare($change, {json.dumps(body)}));
        return 0;
        """
    )


# ---- at the terminal ----


def test_an_intact_log_is_confirmed_with_its_head(wp, used_site) -> None:
    head = wp.evaluate("return siteagent()->audit_log()->head();")
    (line,) = run_command(wp, "verify()")
    assert line.startswith("Success: Log verified")
    assert head["hash"] in line


def test_an_altered_entry_is_named_and_ends_with_an_error(wp, used_site) -> None:
    alter_second_entry(wp, '{"at":"2026-11-24T10:00:00Z"}')
    assert run_command(wp, "verify()") == ["Error: Log verification failed at entry 2."]


def test_entries_are_listed_newest_first_and_found_by_words(wp, used_site) -> None:
    everything = run_command(wp, "list_entries(array(), array())")
    assert len(everything) >= 5
    numbers = [int(line.split("\t")[0]) for line in everything]
    assert numbers == sorted(numbers, reverse=True)
    pings = run_command(wp, "list_entries(array(), array('words' => '\"operation\":\"ping\"'))")
    assert (
        run_command(wp, "list_entries(array(), array('words' => 'PING', 'limit' => '2'))")
        == everything[:2]
    )
    assert pings == [], "the search must match words literally"
    assert run_command(wp, "list_entries(array(), array('words' => '%'))") == []


def test_control_characters_in_an_entry_are_not_printed(wp, used_site) -> None:
    wp.evaluate(
        "siteagent()->audit_log()->append('refused', array('x' => \"a\\x1b[2Jb\"), 'site'); "
        "return 0;"
    )
    assert "\x1b" not in "".join(run_command(wp, "list_entries(array(), array())"))


def test_an_exported_file_verifies_offline_and_replaces_no_other_file(
    wp, used_site, tmp_path: Path
) -> None:
    server_path = "/tmp/siteagent-log-of-a-test.jsonl"
    wp.evaluate(f"@unlink('{server_path}'); return 0;")
    (line,) = run_command(wp, f"export(array('{server_path}'), array())")
    assert line.startswith("Success:")
    path = tmp_path / "log.jsonl"
    path.write_text(wp.evaluate(f"return file_get_contents('{server_path}');"), "utf-8")
    verdict = verify(path)
    assert (verdict.status, "Its end is signed" in verdict.output) == (0, True), verdict.output
    assert run_command(wp, f"export(array('{server_path}'), array())")[0].startswith("Error:")
    assert run_command(wp, "export(array('x'), array('form' => 'exe'))")[0].startswith("Error:")
    wp.evaluate(f"unlink('{server_path}'); return 0;")


# ---- in wp-admin ----


def test_a_third_party_can_verify_the_owners_export(
    wp, used_site, ana: Person, tmp_path: Path
) -> None:
    export = export_log(ana, "jsonl")
    assert export.headers["Content-Disposition"].startswith('attachment; filename="siteagent-log-')
    path = tmp_path / "log.jsonl"
    path.write_bytes(export.content)
    verdict = verify(path)
    assert verdict.status == 0, verdict.output
    head = wp.evaluate("return siteagent()->audit_log()->head();")
    assert f"entries 1 to {head['n']}" in verdict.output


@pytest.mark.parametrize(
    "body", ['{"at":"2026-11-24T10:00:00Z","event":"x","actor":"x","facts":{},"v":1}', "no json"]
)
def test_an_export_of_an_altered_log_fails_verification(
    wp, used_site, ana: Person, tmp_path: Path, body: str
) -> None:
    alter_second_entry(wp, body)
    path = tmp_path / "log.jsonl"
    path.write_bytes(export_log(ana, "jsonl").content)
    verdict = verify(path)
    assert (verdict.status, "entry 2" in verdict.output) == (1, True), verdict.output


def test_a_truncated_log_does_not_match_a_kept_checkpoint(
    wp, used_site, ana: Person, tmp_path: Path
) -> None:
    kept = json.loads(export_log(ana, "jsonl").content.splitlines()[0])["checkpoint"]
    checkpoint = tmp_path / "kept.json"
    checkpoint.write_text(json.dumps(kept))
    wp.evaluate(
        "global $wpdb; $t = $wpdb->base_prefix . 'siteagent_log';"
        '$wpdb->query("DELETE FROM $t ORDER BY seq DESC LIMIT 1"); return 0;'
    )
    path = tmp_path / "log.jsonl"
    path.write_bytes(export_log(ana, "jsonl").content)
    assert verify(path).status == 0, "the chain alone does not show that its end is missing"
    assert verify(path, "--checkpoint", str(checkpoint)).status == 1


def test_the_csv_file_holds_no_formula(wp, used_site, ana: Person) -> None:
    wp.evaluate("siteagent()->audit_log()->append('refused', array(), '=HYPERLINK(1)'); return 0;")
    response = export_log(ana, "csv")
    rows = list(csv.DictReader(io.StringIO(response.content.decode("utf-8"))))
    assert rows[-1]["actor"] == "'=HYPERLINK(1)"
    assert {row["event"] for row in rows} >= {"connected", "answered"}


def test_the_screen_finds_entries_and_keeps_the_search(wp, used_site, ana: Person) -> None:
    page = ana.page("&tab=log&words=connected").text
    assert 'value="connected"' in page
    assert "Connected to the dashboard." in words(page)
    assert "Answered a connection test." not in words(page)
    empty = ana.page("&tab=log&words=nothing-of-this%22%3E%3Cb%3E").text
    assert "No entries found." in words(empty)
    assert '"><b>' not in empty
