"""The site's log in its owner's hands: found through, exported, and checked without the site."""

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

# WP-CLI as the command sees it: what it prints, and that an error ends it with status 1.
TERMINAL = """
class WP_CLI_Ended extends Exception {}
class WP_CLI {
    public static $said = array();
    public static function line($text) { self::$said[] = $text; }
    public static function success($text) { self::$said[] = "Success: $text"; }
    public static function error($text) {
        self::$said[] = "Error: $text";
        throw new WP_CLI_Ended();
    }
}
"""


@pytest.fixture
def ana(wp) -> Person:
    return Person(wp.url, wp.admin, wp.password)


@pytest.fixture
def lived(wp, ana: Person):
    """A site that was connected and asked a few times."""
    forget(wp)
    wp.evaluate("siteagent()->audit_log()->drop(); siteagent()->create_tables(); return 0;")
    desk = connect_by_forms(wp, ana)
    for _ in range(3):
        desk.ask("ping")
    return desk


def typed(wp, call: str) -> list[str]:
    """What `wp siteagent audit …` prints."""
    code = (
        f"{TERMINAL} try {{ siteagent()->cli_command()->{call}; }} catch (WP_CLI_Ended $end) {{}}"
    )
    return wp.evaluate(f"{code} return WP_CLI::$said;")


def exported(ana: Person, form: str):
    page = ana.page("&tab=log").text
    answer = ana.send("siteagent_export_log", **hidden(page, "siteagent_export_log"), form=form)
    assert answer.status_code == 200
    return answer


def change_second(wp, body: str) -> None:
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


def test_a_whole_log_is_confirmed_with_its_head(wp, lived) -> None:
    head = wp.evaluate("return siteagent()->audit_log()->head();")
    (said,) = typed(wp, "verify()")
    assert said.startswith("Success: Log verified")
    assert head["hash"] in said


def test_an_altered_entry_is_named_and_ends_with_an_error(wp, lived) -> None:
    change_second(wp, '{"at":"2026-11-24T10:00:00Z"}')
    assert typed(wp, "verify()") == ["Error: Log verification failed at entry 2."]


def test_entries_are_listed_newest_first_and_found_by_words(wp, lived) -> None:
    everything = typed(wp, "list_entries(array(), array())")
    assert len(everything) >= 5
    numbers = [int(line.split("\t")[0]) for line in everything]
    assert numbers == sorted(numbers, reverse=True)
    pings = typed(wp, "list_entries(array(), array('words' => '\"operation\":\"ping\"'))")
    assert (
        typed(wp, "list_entries(array(), array('words' => 'PING', 'limit' => '2'))")
        == everything[:2]
    )
    assert pings == [], "words are looked for as they are, not as a pattern of ours"
    assert typed(wp, "list_entries(array(), array('words' => '%'))") == []


def test_what_a_stranger_sent_moves_no_cursor(wp, lived) -> None:
    wp.evaluate(
        "siteagent()->audit_log()->append('refused', array('x' => \"a\\x1b[2Jb\"), 'site'); "
        "return 0;"
    )
    assert "\x1b" not in "".join(typed(wp, "list_entries(array(), array())"))


def test_the_file_is_checked_without_the_site_and_nothing_is_written_over(
    wp, lived, tmp_path: Path
) -> None:
    where = "/tmp/siteagent-log-of-a-test.jsonl"
    wp.evaluate(f"@unlink('{where}'); return 0;")
    (said,) = typed(wp, f"export(array('{where}'), array())")
    assert said.startswith("Success:")
    path = tmp_path / "log.jsonl"
    path.write_text(wp.evaluate(f"return file_get_contents('{where}');"), "utf-8")
    verdict = verify(path)
    assert (verdict.status, "Its end is signed" in verdict.output) == (0, True), verdict.output
    assert typed(wp, f"export(array('{where}'), array())")[0].startswith("Error:")
    assert typed(wp, "export(array('x'), array('form' => 'exe'))")[0].startswith("Error:")
    wp.evaluate(f"unlink('{where}'); return 0;")


# ---- in wp-admin ----


def test_the_owner_takes_the_log_along_and_a_stranger_checks_it(
    wp, lived, ana: Person, tmp_path: Path
) -> None:
    answer = exported(ana, "jsonl")
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="siteagent-log-')
    path = tmp_path / "log.jsonl"
    path.write_bytes(answer.content)
    verdict = verify(path)
    assert verdict.status == 0, verdict.output
    head = wp.evaluate("return siteagent()->audit_log()->head();")
    assert f"entries 1 to {head['n']}" in verdict.output


@pytest.mark.parametrize(
    "body", ['{"at":"2026-11-24T10:00:00Z","event":"x","actor":"x","facts":{},"v":1}', "no json"]
)
def test_an_exported_log_that_was_altered_does_not_fit(
    wp, lived, ana: Person, tmp_path: Path, body: str
) -> None:
    change_second(wp, body)
    path = tmp_path / "log.jsonl"
    path.write_bytes(exported(ana, "jsonl").content)
    verdict = verify(path)
    assert (verdict.status, "entry 2" in verdict.output) == (1, True), verdict.output


def test_a_log_whose_end_was_cut_off_does_not_fit_a_checkpoint_that_was_kept(
    wp, lived, ana: Person, tmp_path: Path
) -> None:
    kept = json.loads(exported(ana, "jsonl").content.splitlines()[0])["checkpoint"]
    checkpoint = tmp_path / "kept.json"
    checkpoint.write_text(json.dumps(kept))
    wp.evaluate(
        "global $wpdb; $t = $wpdb->base_prefix . 'siteagent_log';"
        '$wpdb->query("DELETE FROM $t ORDER BY seq DESC LIMIT 1"); return 0;'
    )
    path = tmp_path / "log.jsonl"
    path.write_bytes(exported(ana, "jsonl").content)
    assert verify(path).status == 0, "the chain alone cannot tell"
    assert verify(path, "--checkpoint", str(checkpoint)).status == 1


def test_the_table_holds_no_formula(wp, lived, ana: Person) -> None:
    wp.evaluate("siteagent()->audit_log()->append('refused', array(), '=HYPERLINK(1)'); return 0;")
    answer = exported(ana, "csv")
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8"))))
    assert rows[-1]["actor"] == "'=HYPERLINK(1)"
    assert {row["event"] for row in rows} >= {"connected", "answered"}


def test_the_screen_finds_entries_and_keeps_what_was_typed(wp, lived, ana: Person) -> None:
    page = ana.page("&tab=log&words=connected").text
    assert 'value="connected"' in page
    assert "Connected to the dashboard." in words(page)
    assert "Answered a connection test." not in words(page)
    nothing = ana.page("&tab=log&words=nothing-of-this%22%3E%3Cb%3E").text
    assert "No entries found." in words(nothing)
    assert '"><b>' not in nothing
