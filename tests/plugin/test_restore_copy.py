"""Restore a former version in wp-admin from the copy that an update has kept."""

from __future__ import annotations

import hashlib
import io
import json
import re
import stat
import zipfile
from base64 import b64decode, b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from tests.plugin.support.changing import (
    DESK,
    ApprovedChange,
    ask,
    disk,
    injected_faults,
    item_of,
    php_text,
    reached,
    reset,
    same_files,
    update,
    version,
    wake,
)
from tests.plugin.support.servers import php_settings, shell
from tests.plugin.support.wp_admin import Person, hidden, words
from tests.wordpress.engine import docker
from tests.wordpress.repository import FIXTURES, files_below

CONTENT = "/var/www/wordpress/wp-content"
COPIES = f"{CONTENT}/siteagent-copies"
FOLDER = f"{CONTENT}/plugins/contact-desk"
THEME = "coastline"

GRANTED = ("plugins", "themes")


@pytest.fixture(scope="module")
def ana(wp, paired) -> Person:
    return Person(wp.url, wp.admin, wp.password)


@pytest.fixture
def desk(wp, paired) -> Iterator[dict[str, Any]]:
    """Install the active plugin in its former version, without any copies."""
    shell(wp, f"rm -rf {COPIES}")
    yield reset(wp, "contact-desk", "2.3.1", available="2.4.0")
    assert disk(wp, DESK)["left"] == []
    assert requests.get(wp.url, timeout=60).status_code == 200


@pytest.fixture
def updated(wp, paired, desk) -> ApprovedChange:
    """Run the update that replaces the former version."""
    change = ApprovedChange.of(wp, paired, item_of(wp, DESK, "2.4.0"))
    assert change.send()["outcome"] == "succeeded"
    return change


def entries(wp, event: str) -> list[dict[str, Any]]:
    """Return the entries of this event in the site's log, newest first."""
    recent = wp.evaluate("return siteagent()->audit_log_reader()->recent(40, 0);")
    return [entry for entry in recent if entry["event"] == event]


def restore(ana: Person, update_id: str) -> str:
    """Restore what an update has replaced; return the text of the page that follows."""
    page = ana.page(f"&tab=history&update={update_id}").text
    return words(ana.submit(page, "siteagent_restore"))


def archives(wp) -> list[str]:
    return shell(wp, f"ls -tr {COPIES}/*/*.zip 2>&- || :").split()


def content_of(wp, archive: str) -> bytes:
    return b64decode(shell(wp, f"base64 {archive}"))


def add_logged_copy(
    wp, files: list[tuple[zipfile.ZipInfo | str, str]], *, number: str = "2.3.1"
) -> str:
    """Store and log a copy of these files as an update does; return the id of that update."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files:
            archive.writestr(name, text)
    facts = {
        "kind": "plugin",
        "id": DESK,
        "version": number,
        "op_id": "0f000000-0000-4000-8000-" + hashlib.sha256(buffer.getvalue()).hexdigest()[:12],
        "copy": "0123456789abcdef-" + "7" * 32,
        "sha256": hashlib.sha256(buffer.getvalue()).hexdigest(),
        "bytes": len(buffer.getvalue()),
    }
    folder = f"{COPIES}/{'5' * 32}"
    packed = b64encode(buffer.getvalue()).decode()
    shell(
        wp,
        f"mkdir -p {folder}; echo {packed} | base64 -d > {folder}/{facts['copy']}.zip;"
        f" chown -R www-data {COPIES}",
    )
    wp.evaluate(
        f"siteagent()->audit_log()->append('copy_kept', json_decode({php_text(json.dumps(facts))},"
        " true), 'site');"
    )
    return facts["op_id"]


def desk_files(fixture: str, number: str = "2.3.1") -> list[tuple[zipfile.ZipInfo | str, str]]:
    """Return the files of a fixture version, under another version number."""
    return [
        (f"contact-desk/{name}", re.sub(r"(Version:\s+)\S+", rf"\g<1>{number}", text.decode()))
        for name, text in files_below(FIXTURES / "plugins" / "contact-desk" / fixture)
    ]


# ---- what is kept ----


@pytest.mark.smoke
def test_an_update_keeps_an_inaccessible_copy_of_the_former_version(wp, updated, desk) -> None:
    [archive] = archives(wp)
    kept = entries(wp, "copy_kept")[0]
    content = content_of(wp, archive)
    assert kept["actor"] == "site"
    assert {name: kept["facts"][name] for name in ("id", "version", "op_id", "sha256")} == {
        "id": DESK,
        "version": "2.3.1",
        "op_id": updated.op_id,
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    with zipfile.ZipFile(io.BytesIO(content)) as opened:
        packed = {f"/{name.split('/', 1)[1]}": opened.read(name) for name in opened.namelist()}
    assert {name: hashlib.md5(data).hexdigest() for name, data in packed.items()} == {
        name: entry[1] for name, entry in desk["files"].items()
    }
    assert shell(wp, f"find {COPIES} -name '*.php' ! -name index.php -o -type l") == ""
    secret = archive.removeprefix(f"{COPIES}/").split("/")[0]
    assert re.fullmatch("[0-9a-f]{32}", secret)
    # The dashboard reads the log, and must not learn the path of the file from it.
    assert secret not in json.dumps(
        wp.evaluate("return siteagent()->audit_log_reader()->recent(40, 0);")
    )
    for path in ("", f"{secret}/", archive.removeprefix(f"{COPIES}/")):
        answer = requests.get(f"{wp.url}/wp-content/siteagent-copies/{path}", timeout=30)
        assert answer.status_code == 403
        assert b"PK" not in answer.content[:2]


def test_three_copies_of_a_plugin_are_kept_for_two_weeks(wp, paired, desk) -> None:
    for _ in range(4):
        reset(wp, "contact-desk", "2.3.1", available="2.4.0")
        assert (
            ApprovedChange.of(wp, paired, item_of(wp, DESK, "2.4.0")).send()["outcome"]
            == "succeeded"
        )
    newest = archives(wp)
    assert len(newest) == 3
    assert len(wp.evaluate("return siteagent()->kept_copies()->all(time());")) == 3
    shell(wp, f"touch -d '15 days ago' {newest[0]}")
    shell(wp, f"cd {COPIES}/*/; echo half > torn.part; touch -d '2 hours ago' torn.part")
    wp.evaluate("do_action('siteagent_remove_expired_copies');")
    assert archives(wp) == newest[1:]
    assert shell(wp, f"ls {COPIES}/*/*.part 2>&- || :") == ""
    scheduled = wp.evaluate("return wp_next_scheduled('siteagent_remove_expired_copies') - time();")
    assert scheduled > 13 * 86400


def test_the_total_size_of_copies_is_limited(wp, paired, desk) -> None:
    with injected_faults(wp, constants={"SITEAGENT_COPIES_MAX_MB": 0}):
        assert (
            ApprovedChange.of(wp, paired, item_of(wp, DESK, "2.4.0")).send()["outcome"]
            == "succeeded"
        )
    assert archives(wp) == []
    assert entries(wp, "copy_not_kept")[0]["facts"]["reason"] == "too_large"


def test_a_plugin_with_links_is_updated_without_a_copy(wp, paired, ana, desk) -> None:
    """A link in an archive cannot be restored safely."""
    shell(wp, f"ln -s contact-desk.php {FOLDER}/link.txt")
    assert (
        ApprovedChange.of(wp, paired, item_of(wp, DESK, "2.4.0")).send()["outcome"] == "succeeded"
    )
    assert archives(wp) == []
    assert "None: it contains links to other files." in words(ana.page("&tab=history").text)


def test_without_zlib_no_copy_is_kept_and_the_history_says_why(wp, paired, ana, desk) -> None:
    with php_settings(wp, "disable_functions=gzopen"):
        assert (
            ApprovedChange.of(wp, paired, item_of(wp, DESK, "2.4.0")).send()["outcome"]
            == "succeeded"
        )
        assert "PHP cannot compress files" in words(ana.page("&tab=history").text)
    assert archives(wp) == []


# ---- what restoring does ----


@pytest.mark.smoke
def test_the_owner_restores_the_former_version(wp, paired, ana, desk, updated) -> None:
    listed = words(ana.page("&tab=history").text)
    assert "Plugin contact-desk from 2.3.1 to 2.4.0 contact-desk/contact-desk.php" in listed
    assert "Installed an update. Ben Restore version 2.3.1 …" in listed
    confirmation = words(ana.page(f"&tab=history&update={updated.op_id}").text)
    assert "What is not restored The database." in confirmation
    shown = restore(ana, updated.op_id)
    assert "The former version was restored, and the site’s pages work as before." in shown
    after = disk(wp, DESK)
    assert same_files(desk, after)
    assert (after["version"], after["active"]) == ("2.3.1", True)
    ended = entries(wp, "restore_ended")[0]
    expected = {"kind": "plugin", "id": DESK, "from": "2.4.0", "to": "2.3.1"}
    expected |= {"outcome": "succeeded", "reason": None, "version": "2.3.1", "active": True}
    assert {**expected, "probe": "ok"}.items() <= ended["facts"].items()
    assert ended["actor"] == "user:1"
    assert "Plugin contact-desk from 2.4.0 to 2.3.1" in shown
    assert "Restored a former version. ana" in shown or f"former version. {wp.admin}" in shown
    # The newer version can be updated to again, and the owner can restore it as well.
    assert ask(paired, "change.check", item=item_of(wp, DESK, "2.4.0"))["eligible"] is True
    restore(ana, ended["facts"]["op_id"])
    assert version(wp, DESK) == "2.4.0"


def test_the_owner_can_restore_while_updates_are_paused(wp, paired, ana, desk, updated) -> None:
    wp.evaluate("siteagent()->limit_decisions()->pause('', 'user:1');")
    try:
        assert "was restored" in restore(ana, updated.op_id)
        assert version(wp, DESK) == "2.3.1"
    finally:
        wp.evaluate("siteagent()->limit_decisions()->resume('user:1');")


def test_a_theme_is_restored(wp, paired, ana, desk) -> None:
    before = reset(wp, THEME, "1.2.0", kind="theme", available="1.3.0")
    change = ApprovedChange.of(wp, paired, item_of(wp, THEME, "1.3.0", kind="theme"))
    assert change.send()["outcome"] == "succeeded"
    assert "was restored" in restore(ana, change.op_id)
    assert same_files(before, disk(wp, THEME, kind="theme"))


def test_an_inactive_plugin_stays_inactive(wp, paired, ana, desk) -> None:
    reset(wp, "tide-gallery", "1.0.0", available="1.1.0")
    change = ApprovedChange.of(wp, paired, item_of(wp, "tide-gallery/tide-gallery.php", "1.1.0"))
    assert change.send()["outcome"] == "succeeded"
    assert "was restored" in restore(ana, change.op_id)
    after = disk(wp, "tide-gallery/tide-gallery.php")
    assert (after["version"], after["active"]) == ("1.0.0", False)


def test_a_restored_version_that_breaks_the_site_is_rolled_back(wp, ana, desk, updated) -> None:
    before = disk(wp, DESK)
    shown = restore(ana, add_logged_copy(wp, desk_files("2.5.0")))
    assert "did not work (the new version caused a fatal error)" in shown
    after = disk(wp, DESK)
    assert same_files(before, after)
    assert (after["version"], after["active"]) == ("2.4.0", True)
    facts = entries(wp, "restore_ended")[0]["facts"]
    assert (facts["outcome"], facts["reason"]) == ("rolled_back", "fatal_after")


@pytest.mark.smoke
def test_a_killed_restore_leaves_the_installed_version(wp, ana, desk, updated) -> None:
    before = disk(wp, DESK)
    fields = hidden(ana.page(f"&tab=history&update={updated.op_id}").text, "siteagent_restore")
    with injected_faults(wp, sleep={"half_way": 60}), ThreadPoolExecutor(1) as pool:
        running = pool.submit(ana.send, "siteagent_restore", **fields)
        docker("exec", wp.container, "kill", "-9", str(reached(wp)))
        running.exception(60)
    ana.page()  # wp-admin cleans up
    assert same_files(before, disk(wp, DESK))
    ended = entries(wp, "restore_ended")[0]
    assert (ended["facts"]["outcome"], ended["facts"]["reason"]) == ("rolled_back", "interrupted")
    assert ended["actor"] == "user:1"


def test_of_two_simultaneous_restores_only_one_succeeds(wp, ana, desk, updated) -> None:
    people = [ana, Person(wp.url, wp.admin, wp.password)]
    query = f"&tab=history&update={updated.op_id}"
    forms = [hidden(one.page(query).text, "siteagent_restore") for one in people]
    before = len(entries(wp, "restore_ended"))
    with ThreadPoolExecutor(2) as pool:
        sent = [
            pool.submit(person.send, "siteagent_restore", **fields)
            for person, fields in zip(people, forms, strict=True)
        ]
        answers = [one.result() for one in sent]
    # The other request sees that an update is running, or gets the maintenance page.
    assert sorted(one.status_code for one in answers) in ([303, 303], [303, 503])
    assert version(wp, DESK) == "2.3.1"
    ended = entries(wp, "restore_ended")
    ended = ended[: len(ended) - before]
    assert [one["facts"]["reason"] for one in ended if one["facts"]["outcome"] != "succeeded"] in (
        [],
        ["busy"],
    )
    assert [one["facts"]["outcome"] for one in ended].count("succeeded") == 1


def test_nothing_is_restored_while_an_update_runs(wp, paired, ana, desk, updated) -> None:
    page = ana.page(f"&tab=history&update={updated.op_id}").text
    item = {"kind": "plugin", "id": DESK, "from": "2.4.0", "to": "2.5.1"}
    update(wp, "contact-desk", "2.5.1")
    with injected_faults(wp, sleep={"download": 60}), ThreadPoolExecutor(1) as pool:
        running = pool.submit(ApprovedChange.of(wp, paired, item).send)
        reached(wp)
        shown = words(ana.submit(page, "siteagent_restore"))
        wake(wp)
        assert running.result()["outcome"] == "rolled_back"
    assert "nothing on this site was changed: another update was running." in shown
    facts = entries(wp, "restore_ended")[0]["facts"]
    assert (facts["outcome"], facts["reason"]) == ("refused", "busy")
    assert version(wp, DESK) == "2.4.0"


# ---- copies that cannot be trusted ----


def test_a_copy_with_one_byte_changed_is_not_restored(wp, ana, desk, updated) -> None:
    before = disk(wp, DESK)
    [archive] = archives(wp)
    shell(wp, f"printf X | dd of={archive} bs=1 seek=60 conv=notrunc status=none")
    shown = restore(ana, updated.op_id)
    assert "the copy is not the one that was logged." in shown
    assert disk(wp, DESK) == before
    facts = entries(wp, "restore_ended")[0]["facts"]
    assert (facts["outcome"], facts["reason"]) == ("refused", "copy_changed")


def link_entry() -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo("contact-desk/link.php")
    entry.create_system = 3
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    return entry


@pytest.mark.parametrize(
    "extra",
    [
        ("contact-desk/../../../evil.php", "<?php"),
        ("/contact-desk/evil.php", "<?php"),
        ("other/evil.php", "<?php"),
        ("contact-desk\\..\\evil.php", "<?php"),
        (link_entry(), "/etc/passwd"),
    ],
    ids=["dots", "absolute", "second-folder", "backslash", "link"],
)
def test_an_archive_with_foreign_paths_or_links_is_not_restored(
    wp, ana, desk, updated, extra
) -> None:
    before = disk(wp, DESK)
    shown = restore(ana, add_logged_copy(wp, [*desk_files("2.3.1"), extra]))
    assert "contains files that do not belong to this plugin or theme" in shown
    assert disk(wp, DESK) == before
    assert shell(wp, f"find {CONTENT} /var/www -name 'evil*'") == ""


def test_a_missing_copy_is_not_offered(wp, ana, desk, updated) -> None:
    page = ana.page(f"&tab=history&update={updated.op_id}").text
    before = entries(wp, "restore_ended")
    shell(wp, f"rm {COPIES}/*/*.zip")
    assert "the copy no longer exists." in words(ana.submit(page, "siteagent_restore"))
    assert "Restore version" not in words(ana.page("&tab=history").text)
    assert version(wp, DESK) == "2.4.0"
    assert entries(wp, "restore_ended") == before


def test_a_user_who_may_not_update_plugins_cannot_restore(wp, paired, desk, updated) -> None:
    wp.evaluate(
        "require_once ABSPATH . 'wp-admin/includes/user.php';"
        "add_role('manager', 'Manager', array('read' => true, 'manage_options' => true));"
        "$id = wp_create_user('mia', 'correct horse', 'mia@bakery.example');"
        "(new WP_User($id))->set_role('manager');"
    )
    try:
        mia = Person(wp.url, "mia", "correct horse")
        assert "Restore version" not in words(mia.page("&tab=history").text)
        assert "siteagent_restore" not in mia.page(f"&tab=history&update={updated.op_id}").text
        cookie = next(item.value for item in mia.session.cookies if "logged_in" in item.name)
        nonce = wp.evaluate(
            f"$_COOKIE[LOGGED_IN_COOKIE] = rawurldecode('{cookie}');"
            "wp_set_current_user(get_user_by('login', 'mia')->ID);"
            "return wp_create_nonce('siteagent_restore');"
        )
        answer = mia.send("siteagent_restore", _wpnonce=nonce, update=updated.op_id)
        assert answer.status_code == 303
        assert "you are not allowed to update plugins" in words(mia.page("&tab=history").text)
    finally:
        wp.evaluate(
            "require_once ABSPATH . 'wp-admin/includes/user.php';"
            "wp_delete_user(get_user_by('login', 'mia')->ID); remove_role('manager');"
        )
    assert version(wp, DESK) == "2.4.0"


def test_deleting_siteagent_removes_the_copies(wp, desk, updated) -> None:
    assert archives(wp) != []
    wp.evaluate("Siteagent_Kept_Copies::remove_all();")
    assert shell(wp, f"ls -d {COPIES} 2>&- || :") == ""
