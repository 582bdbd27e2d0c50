"""The commands of Aura in a terminal."""

from __future__ import annotations

import re
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask

from app import queue
from app.config import Config
from app.domain import audit
from app.domain.accounts import one_time_links
from app.domain.actor import SYSTEM, Actor
from app.domain.audit.events import SiteCalled
from app.factory import create_app
from app.models.accounts import User
from app.models.audit import AuditEntry
from app.models.base import db, is_postgres, transaction, utcnow
from app.models.second_factors import SecondFactor
from app.models.sites import Site
from app.run import data_folder
from tests.support.factories import make_site, make_user
from tests.support.fakes import RecordingQueue
from tests.support.running_verifier import verify
from tests.support.second_factors import add_app
from tests.support.vulnerability_feeds import feed, record


@pytest.fixture
def run(database: Config, jobs: RecordingQueue):
    app: Flask = create_app(database)
    queue.use(jobs)
    yield app.test_cli_runner().invoke
    db.close()


def test_a_set_up_link_is_printed_until_an_account_exists(run, database: Config) -> None:
    printed = run(args=["setup-link"])
    assert printed.exit_code == 0
    assert re.fullmatch(r"http://aura\.test/setup/[\w.-]+\n", printed.output)
    make_user("Ana", "owner")
    refused = run(args=["setup-link"])
    assert refused.exit_code == 1
    assert "already has an owner" in refused.output


def test_a_link_leads_to_the_port_that_aura_was_started_with(run, database: Config) -> None:
    database.origin_file.write_text("http://127.0.0.1:8701\n")
    assert run(args=["setup-link"]).output.startswith("http://127.0.0.1:8701/setup/")


def test_the_command_that_pages_show_works_in_aura_s_folder(
    database: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(database.var_dir.parent)
    words = ".venv/bin/flask --app wsgi setup-link"
    assert one_time_links.setup_command(replace(database, var_dir=Path.cwd() / "var")) == words
    demo = replace(database, var_dir=Path.cwd() / "var" / "demo")
    assert one_time_links.setup_command(demo) == f"AURA_VAR=var/demo {words}"
    elsewhere = replace(database, var_dir=Path("/srv/secret"))
    assert "/srv/secret" not in one_time_links.setup_command(elsewhere)


def test_a_person_who_lost_the_password_gets_a_link(run) -> None:
    ana = make_user("Ana", "owner")
    printed = run(args=["password-link", "ANA@agency.example"])
    assert re.fullmatch(r"http://aura\.test/invitation/[\w.-]+\n", printed.output)
    ana.refresh()
    assert ana.session_epoch == 2
    entry = AuditEntry.newest(limit=1)[0]
    assert (entry.event, entry.actor) == ("invitation_issued", "system")
    unknown = run(args=["password-link", "nobody@agency.example"])
    assert (unknown.exit_code, unknown.output) == (1, "Error: No account has this address.\n")


def test_an_intact_audit_log_is_confirmed(run) -> None:
    with transaction():
        audit.record(SiteCalled(site_id=7, op="ping", outcome="ok", elapsed_ms=1), SYSTEM)
    head = AuditEntry.head().hash
    answer = run(args=["audit", "verify"])
    assert answer.exit_code == 0
    assert answer.output == f"Audit log verified: 1 entries, intact. Newest hash {head}\n"
    assert AuditEntry.head().event == "audit_log_verified"


def test_a_broken_audit_log_names_the_first_wrong_entry_and_fails(run) -> None:
    for number in range(3):
        with transaction():
            audit.record(SiteCalled(site_id=7, op="ping", outcome="ok", elapsed_ms=number), SYSTEM)
    if is_postgres():
        db.execute_sql("ALTER TABLE audit DISABLE TRIGGER ALL")
    else:
        db.execute_sql("DROP TRIGGER audit_no_update")
    AuditEntry.update(body=AuditEntry.get_by_id(2).body.replace("ping", "pong")).where(
        AuditEntry.seq == 2
    ).execute()
    answer = run(args=["audit", "verify"])
    assert answer.exit_code == 1
    assert "Audit log changed at entry 2: its text was changed" in answer.output
    assert AuditEntry.head().event == "verification_failed"


def test_an_unreadable_audit_log_is_neither_intact_nor_broken(run, ana: Actor) -> None:
    db.execute_sql("ALTER TABLE audit_detail RENAME TO elsewhere")
    answer = run(args=["audit", "verify"])
    assert (answer.exit_code, "could not be read" in answer.output) == (2, True)


def test_a_command_erases_a_person(run) -> None:
    dora = make_user("Dora", "viewer")
    words = ["audit", "erase", "dora@agency.example", "--reason", "asked for it"]
    assert "Disable the account first" in run(args=words).output
    dora.disable(utcnow())
    assert run(args=words).output == "Personal data erased from 0 entries.\n"
    assert AuditEntry.head().event == "personal_data_erased"
    assert "No account has this address" in run(args=words).output


def test_a_command_rebuilds_the_search_index(run) -> None:
    with transaction():
        audit.record(SiteCalled(site_id=7, op="ping", outcome="ok", elapsed_ms=1), SYSTEM)
    db.execute_sql("DELETE FROM audit_words")
    assert not audit.find_entries(audit.EntryFilter(words="ping"))
    assert run(args=["audit", "reindex"]).output == "Search index rebuilt for 1 entries.\n"
    assert [entry.seq for entry in audit.find_entries(audit.EntryFilter(words="ping"))] == [1]


def test_the_plugin_is_written_to_the_given_path(run, tmp_path: Path) -> None:
    path = tmp_path / "siteagent.zip"
    assert run(args=["build-plugin", str(path)]).exit_code == 0
    assert "siteagent/siteagent.php" in zipfile.ZipFile(path).namelist()


def test_a_migrated_database_is_reported_as_up_to_date(run) -> None:
    assert run(args=["migrate"]).output == "The database schema is up to date.\n"


@pytest.mark.parametrize(
    "words", [["setup-link"], ["test-connection", "http://127.0.0.1:9"]], ids=" ".join
)
def test_a_command_may_be_the_first_process_of_an_installation(
    empty_database: Config, jobs: RecordingQueue, words: list[str]
) -> None:
    app = create_app(empty_database)
    queue.use(jobs)
    db.close()
    answer = app.test_cli_runner().invoke(args=words)
    assert answer.exit_code in (0, 1)
    assert answer.exception is None or isinstance(answer.exception, SystemExit)
    assert answer.output.endswith("\n")


@pytest.mark.parametrize(
    "words",
    [
        ["backup", "create", "aura.backup"],
        ["audit", "verify"],
        ["audit", "export", "audit_log.zip"],
        ["keys", "rotate-all"],
        ["password-link", "ana@agency.example"],
    ],
    ids=" ".join,
)
def test_a_command_about_data_is_refused_without_a_database(
    empty_database: Config,
    jobs: RecordingQueue,
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    app = create_app(empty_database)
    db.close()
    answer = app.test_cli_runner().invoke(args=words)
    assert answer.exit_code == 2
    assert f"The database of the Aura with its data in {empty_database.var_dir} is" in answer.output
    assert "Set AURA_VAR" in answer.output
    assert not list(Path.cwd().iterdir())
    assert not empty_database.backup_mark.exists()


def test_keys_of_every_paired_site_are_renewed(
    paired: Site, ana: Actor, jobs: RecordingQueue, database: Config
) -> None:
    make_site(ana, now=utcnow(), url="https://unpaired.example")
    app = create_app(database)
    queue.use(jobs)
    db.close()
    answer = app.test_cli_runner().invoke(args=["keys", "rotate-all"])
    assert answer.output == "Key renewal queued for 1 site.\n"
    assert jobs.names() == ["rotate_keys"]


def test_an_export_is_written_and_reported(run, ana: Actor, tmp_path: Path) -> None:
    make_site(ana, now=utcnow(), client="Bakery Ltd")
    path = tmp_path / "audit_log.zip"
    words = ["audit", "export", str(path)]
    assert run(args=[*words, "--client", "Bakery Ltd"]).output == f"{path}: 1 entry\n"
    assert AuditEntry.head().event == "audit_log_exported"
    assert verify(path).status == 0
    assert "no client called" in run(args=[*words, "--client", "Nobody"]).output
    assert "No site has this address" in run(args=[*words, "--site", "https://x.example"]).output
    assert run(args=[*words, "--site", "https://bakery.example", "--form", "csv"]).exit_code == 0


# ---- backups ----


@pytest.fixture
def passphrase(tmp_path: Path) -> str:
    path = tmp_path / "passphrase"
    path.write_text("correct horse battery staple\n")
    return f"--passphrase-file={path}"


def test_a_backup_is_made_and_restored(run, site: Site, tmp_path: Path, passphrase: str) -> None:
    path = tmp_path / "aura.backup"
    made = run(args=["backup", "create", str(path), passphrase])
    assert made.exit_code == 0, made.output
    assert re.fullmatch(rf"{path}: \d+ bytes, the audit log up to entry \d+\n", made.output)
    refused = run(args=["backup", "restore", str(path), passphrase])
    assert refused.exit_code == 1
    assert "add --replace" in refused.output or "is not empty" in refused.output
    if is_postgres():
        return
    Site.update(name="Changed since").execute()
    done = run(args=["backup", "restore", str(path), "--replace", passphrase])
    assert done.exit_code == 0, done.output
    assert "The database that was there: " in done.output
    assert "refuse updates until an administrator accepts" in done.output
    with db.connection_context():
        assert Site.get().name == "Bakery"


def test_nothing_is_restored_under_a_running_aura(
    run, site: Site, database: Config, tmp_path: Path, passphrase: str
) -> None:
    path = tmp_path / "aura.backup"
    run(args=["backup", "create", str(path), passphrase])
    with data_folder.locked(database):
        refused = run(args=["backup", "restore", str(path), "--replace", passphrase])
    assert refused.exit_code == 1
    assert "already running" in refused.output


def test_a_backup_that_cannot_be_made_says_why(run, site: Site, tmp_path: Path) -> None:
    short = tmp_path / "short"
    short.write_text("short\n")
    path = tmp_path / "aura.backup"
    refused = run(args=["backup", "create", str(path), f"--passphrase-file={short}"])
    assert refused.exit_code == 1
    assert "at least 12 characters" in refused.output
    assert not path.exists()


def test_the_passphrase_is_prompted_for_twice(run, site: Site, tmp_path: Path) -> None:
    path = tmp_path / "aura.backup"
    typed = "correct horse battery\ncorrect horse battery\n"
    made = run(args=["backup", "create", str(path)], input=typed)
    assert made.exit_code == 0, made.output
    assert "horse" not in made.output


def test_a_command_resets_the_factors_of_a_person(run, database: Config, ana: Actor) -> None:
    command = ["users", "reset-second-factor", "ana@agency.example"]
    answer = run(args=command)
    assert answer.exit_code == 1
    assert "Ana has no second factor." in answer.output
    add_app(User.get_by_id(ana.id), database, utcnow())
    assert run(args=command).exit_code == 0
    assert not SecondFactor.select().exists()
    assert AuditEntry.head().event == "second_factors_reset"
    assert run(args=["users", "reset-second-factor", "x@y.example"]).exit_code == 1


def test_a_feed_of_vulnerabilities_is_imported_or_refused(
    run, ana: Actor, database: Config, tmp_path: Path
) -> None:
    path = tmp_path / "feed.json"
    path.write_bytes(feed(record(1), record(2)))
    done = run(args=["vulnerabilities", "import", str(path)])
    assert done.exit_code == 0
    assert "2 records, 0 about" in done.output
    path.write_bytes(feed(record(1))[:-5])
    refused = run(args=["vulnerabilities", "import", str(path)])
    assert refused.exit_code == 1
    assert "damaged or incomplete" in refused.output
    path.write_bytes(b"")
    empty = run(args=["vulnerabilities", "import", str(path)])
    assert empty.exit_code == 1
    assert "not empty" in empty.output
