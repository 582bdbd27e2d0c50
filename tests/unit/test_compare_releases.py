"""Two releases are compared: what changes, and what a person has to look at."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.package_oddities import CODES, WARNINGS, oddities
from tests.support.releases import compared, files_of, ordinary_release

BACKDOOR = b"<?php @eval(base64_decode($_POST['x']));"


def warned(found: dict[str, Any]) -> dict[str, list[str]]:
    return {code: found["odd"][code]["names"] for code in WARNINGS if code in found["odd"]}


def test_changed_new_and_gone_files_are_counted_and_named(tmp_path: Path) -> None:
    old, new = files_of("1.0"), files_of("1.1", {"inc/new.php": b"<?php", "inc/a.css": b"a{}"})
    del new["license.txt"]
    found = compared(tmp_path, old, new)
    assert found["is_complete"] is True
    assert found["changed"] == {"count": 1, "names": ["desk.php"]}
    assert found["added"] == {"count": 2, "names": ["inc/a.css", "inc/new.php"]}
    assert found["gone"] == {"count": 1, "names": ["license.txt"]}
    assert found["php_added"] == {"count": 1, "names": ["inc/new.php"]}
    assert found["files"] == len(new)
    requires = [found[name] for name in ("requires_wp", "requires_php", "tested")]
    assert requires == ["6.4", "7.4", "7.1"]


def test_the_attack_of_april_2026_is_reported(tmp_path: Path) -> None:
    """A release of a plugin that changed hands adds a PHP file named like one of WordPress."""
    path = "includes/wp-comments-posts.php"
    found = compared(tmp_path, files_of("1.0"), files_of("1.1", {path: BACKDOOR}))
    assert warned(found) == {"core_name": [path]}
    assert found["calls"]["names"] == [["base64_decode", path], ["eval", path]]


def test_three_hundred_ordinary_releases_have_no_warning(tmp_path: Path) -> None:
    dice = random.Random("ordinary releases")
    releases = [ordinary_release(dice) for _ in range(300)]
    assert sum(bool(new.keys() - old.keys()) for old, new in releases) > 250
    found = [compared(tmp_path, old, new) for old, new in releases]
    assert [warned(one) for one in found if warned(one)] == []


@pytest.mark.parametrize(
    ("path", "content", "code"),
    [
        ("wp-load.php", BACKDOOR, "core_name"),
        ("inc/Class-WP-Cache-Api.PHP", b"<?php", "core_name"),
        ("inc/xmlrpc.php", b"<?php", "core_name"),
        ("assets/a.php", BACKDOOR, "php_place"),
        ("assets/fonts/a.phtml", BACKDOOR, "php_place"),
        ("dist/images/a.php5", BACKDOOR, "php_place"),
        ("uploads/index.php", b"<?php // Silence is golden.\n$_GET['a']($_GET['b']);", "php_place"),
        ("languages/a.l10n.php", b"<?php return ['a' => `id`];", "php_place"),
        ("languages/b.php", b"<?php return ['a' => system('id')];", "php_place"),
        ("assets/logo.png", b"\x89PNG" + bytes(5000) + b"<?PHP\tsystem(1);", "hidden_php"),
        ("assets/favicon.ico", BACKDOOR, "hidden_php"),
        ("logs/.htaccess", b"AddHandler x .jpg", "server_config"),
        (".user.ini", b"auto_prepend_file=a.jpg", "server_config"),
        ("inc/\u202egpj.php", b"<?php", "odd_name"),
        ("inc/a.phar", b"x", "program"),
        ("bin/tool", b"\x7fELF" + bytes(50), "program"),
        ("data/more.zip", b"PK\x03\x04", "archive"),
        ("data/more", b"PK\x03\x04", "archive"),
        (".git/config", b"x", "dotfile"),
    ],
)
def test_each_new_suspicious_file_is_reported(
    tmp_path: Path, path: str, content: bytes, code: str
) -> None:
    with_it = files_of("1.1", {path: content})
    found = compared(tmp_path, files_of("1.0"), with_it)["odd"]
    assert set(found) == {code}
    assert found[code]["count"] == 1
    assert compared(tmp_path, with_it, with_it)["odd"] == {}
    assert code in CODES


def test_new_code_in_a_data_file_is_a_warning(tmp_path: Path) -> None:
    old = files_of("1.0", {"assets/index.php": b"<?php // Silence is golden."})
    new = files_of("1.1", {"assets/index.php": BACKDOOR})
    assert warned(compared(tmp_path, old, new)) == {"php_place": ["assets/index.php"]}


def test_files_named_like_the_plugin_are_allowed() -> None:
    assert oddities("wp-mail-queue.php", b"<?php", "wp-mail") == []
    assert oddities("inc/class-wp-mail-log.php", b"<?php", "wp-mail") == []
    assert oddities("wp-contact-form-7.php", b"<?php", "contact-form-7") == []
    assert oddities("inc/wp-posts.php", b"<?php", "wp-mail") == ["core_name"]


def test_only_names_that_no_old_file_has_are_new(tmp_path: Path) -> None:
    code = "<?php $a = 'https://{}.example'; wp_schedule_event(1, 'daily', '{}');".format
    old = files_of("1.0", {"a.php": code("one", "x").encode(), "b.php": b"<?php"})
    new = files_of("1.1", {"a.php": code("one", "x").encode(), "b.php": code("one", "y").encode()})
    names = compared(tmp_path, old, new)["names"]
    assert names == {"cron_hook": {"count": 1, "names": [["y", "b.php"]]}}
    moved = files_of("1.1", {"c.php": code("one", "x").encode(), "b.php": b"<?php"})
    assert compared(tmp_path, old, moved)["names"] == {}


def test_names_in_an_unchanged_file_are_not_new(tmp_path: Path) -> None:
    same = b"""<?php $a = 'https://API.Parcel.example/v1'; add_role('desk_agent', 'Agent');
    register_rest_route('desk/v1', '/a/(?P<id>\\d+)'); wp_schedule_single_event(1, $hook);
    add_action('wp_ajax_nopriv_desk_send', 'f');"""
    again = same.replace(b"API.Parcel", b"api.parcel").replace(b"$hook", b"$other")
    old, new = files_of("1.0", {"a.php": same}), files_of("1.1", {"a.php": same, "b.php": again})
    assert compared(tmp_path, old, new)["names"] == {}
    del new["a.php"]
    del old["a.php"]
    assert len(compared(tmp_path, old, new)["names"]) == 5


def test_a_further_call_in_the_same_file_is_new(tmp_path: Path) -> None:
    old = files_of("1.0", {"a.php": b"<?php eval(1); exec(1);"})
    new = files_of("1.1", {"a.php": b"<?php eval(1); eval(2); exec(3);"})
    assert compared(tmp_path, old, new)["calls"] == {"count": 1, "names": [["eval", "a.php"]]}


def test_many_minor_findings_do_not_hide_a_serious_one(tmp_path: Path) -> None:
    more = {f"a/{number}.zip": b"x" for number in range(500)}
    found = compared(
        tmp_path, files_of("1.0"), files_of("1.1", {**more, "inc/wp-cron.php": BACKDOOR})
    )
    assert warned(found) == {"core_name": ["inc/wp-cron.php"]}
    assert (found["odd"]["archive"]["count"], len(found["odd"]["archive"]["names"])) == (500, 40)
    assert (found["added"]["count"], len(found["added"]["names"])) == (501, 300)


def test_invisible_characters_in_names_are_escaped(tmp_path: Path) -> None:
    path = "inc/\u202ephp.gpj.php"
    found = compared(tmp_path, files_of("1.0"), files_of("1.1", {path: b"<?php"}))
    assert found["added"]["names"] == ["inc/\\u{202E}php.gpj.php"]


def test_a_file_that_is_too_large_to_read_is_reported(tmp_path: Path) -> None:
    large = b"<?php //" + b"x" * 3 * 1024 * 1024
    found = compared(tmp_path, files_of("1.0"), files_of("1.1", {"inc/large.php": large}))
    assert found["unread"] == {"count": 1, "names": ["inc/large.php"]}
    assert found["is_complete"] is True


def test_a_suspicious_file_of_the_old_release_is_not_reported(tmp_path: Path) -> None:
    old = files_of("1.0", {"inc/wp-queue.php": b"<?php", "logs/.htaccess": b"deny from all"})
    new = files_of("1.1", {"inc/wp-queue.php": b"<?php f();", "logs/.htaccess": b"Deny from all"})
    assert compared(tmp_path, old, new)["odd"] == {}


def test_a_comparison_ends_at_its_deadline_and_is_incomplete(tmp_path: Path) -> None:
    """Files that were not read before the deadline do not count as read."""
    looks: list[float] = []
    old, new = files_of("1.0"), files_of("1.1", {"inc/wp-cron.php": BACKDOOR})

    def clock(over_after: int) -> Callable[[], float]:
        looks.clear()
        return lambda: looks.append(0.0) or (1000.0 if len(looks) > over_after else 0.0)

    assert compared(tmp_path, old, new, clock=clock(10_000))["is_complete"] is True
    for over_after in range(1, len(looks)):
        found = compared(tmp_path, old, new, clock=clock(over_after))
        assert found["is_complete"] is False
