"""Anyone can verify an export with the program that it contains."""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta
from pathlib import Path
from zipfile import ZipFile

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from app.config import Config
from app.domain import audit, dashboard_identity
from app.domain.actor import Actor
from app.domain.audit import export as exporting
from app.domain.audit import export_formats, redaction
from app.domain.audit.documents import entry_document
from app.domain.audit.events import SiteAdded
from app.domain.audit.export_scope import ExportScope
from app.domain.csv_cells import escape_csv_formula
from app.domain.errors import Forbidden, Invalid, NotFound, ReauthenticationRequired
from app.models.accounts import User
from app.models.audit import AuditEntry
from app.models.base import transaction
from app.models.exports import DONE, FAILED, GONE, QUEUED, RUNNING, AuditLogExport
from app.models.sites import Site
from app.protocol import b64u, canonical, from_b64u, parse_json
from tests.support import audit_log_exports as made
from tests.support.audit_entries import fill
from tests.support.database_tampering import cut_off_after, without_guards
from tests.support.factories import (
    approve,
    check,
    make_site,
    propose,
    read_log,
    read_report,
    run_change,
)
from tests.support.fakes import Clock, FakeSite, RecordingQueue
from tests.support.hypothesis_profiles import examples
from tests.support.running_verifier import Verdict, judge, program, verify

pytestmark = [pytest.mark.both_databases, pytest.mark.own_site]


@pytest.fixture
def site(ana: Actor, clock: Clock, jobs: RecordingQueue) -> Site:
    return make_site(ana, now=clock(), client="Bakery Ltd")


@pytest.fixture
def watched(
    ready: Site, ana: Actor, ben: Actor, fake: FakeSite, config: Config, clock: Clock
) -> Site:
    """A site that was changed, holds a checkpoint and whose log was read; and a site of another
    client, which must not appear in excerpts."""
    make_site(ben, now=clock(), url="https://rival.example", name="Rival", client="Rival Ltd")
    change = check(propose(ready, ben, clock()), fake, config)
    approve(change, ana, config, clock())
    run_change(change, fake, config)
    clock.advance(minutes=5)
    read_report(ready, fake, config=config)
    read_log(ready, fake, config)
    return ready


def export(config: Config, clock: Clock, covered: ExportScope, form: str = "zip") -> Path:
    path = config.var_dir / f"export.{form}"
    exporting.write_export(path, form, covered, config, clock(), lambda count: None)
    return path


def verify_with_own_program(path: Path) -> Verdict:
    """Verify an export with the copy of the program inside it."""
    with ZipFile(path) as archive:
        assert archive.read("verify_audit.py") == made.VERIFIER.read_bytes()
    return verify(path)


def test_a_full_export_is_valid_and_contains_the_sites_checkpoints(
    watched: Site, config: Config, clock: Clock
) -> None:
    path = export(config, clock, exporting.make_scope())
    verdict = verify_with_own_program(path)
    assert verdict.status == 0, verdict.output
    with ZipFile(path) as archive:
        lines = archive.read("audit_log.jsonl").splitlines()
        checkpoints = json.loads(archive.read("checkpoints.json"))
        site_log = archive.read(f"sites/{watched.uuid}.jsonl").splitlines()
        keys = json.loads(archive.read("keys.json"))
    assert len(lines) == AuditEntry.head().seq
    assert (len(checkpoints["by_sites"]), len(checkpoints["of_sites"])) == (1, 1)
    assert len(site_log) > 5
    assert [entry["site"] for entry in keys["sites"]] == [watched.uuid]


@pytest.mark.parametrize("of", ["client", "site", "period"])
def test_an_excerpt_is_valid_and_shows_no_other_client(
    of: str, watched: Site, config: Config, clock: Clock
) -> None:
    covered = {
        "client": lambda: exporting.make_scope(client=watched.client),
        "site": lambda: exporting.make_scope(site=watched),
        "period": lambda: exporting.make_scope(since=clock() - timedelta(minutes=4)),
    }[of]()
    path = export(config, clock, covered)
    verdict = verify_with_own_program(path)
    assert verdict.status == 0, verdict.output
    with ZipFile(path) as archive:
        raw = b"".join(archive.read(name) for name in archive.namelist())
        lines = archive.read("audit_log.jsonl").splitlines()
    assert b"Rival" not in raw
    assert 0 < len(lines) < AuditEntry.head().seq


def test_an_export_without_private_details_has_no_names(
    watched: Site, config: Config, clock: Clock
) -> None:
    path = export(config, clock, exporting.make_scope(private=False))
    verdict = verify_with_own_program(path)
    assert (verdict.status, "is left out in" in verdict.output) == (0, True), verdict.output
    with ZipFile(path) as archive:
        audit_log = archive.read("audit_log.jsonl")
    for private in (b"Ana", b"Ben", b"192.0.2.1"):
        assert private not in audit_log


def test_an_export_counts_erased_details(
    watched: Site, ana: Actor, ben: Actor, config: Config, clock: Clock
) -> None:
    user = User.get_by_id(ben.id)
    user.disable(clock())
    redaction.erase_user(user, reason="asked", by=ana, confirmed_at=clock(), now=clock())
    verdict = verify_with_own_program(export(config, clock, exporting.make_scope()))
    assert (verdict.status, "was erased in" in verdict.output) == (0, True), verdict.output


# ---- the database's owner ----


def checkpoint_entries(path: Path) -> list[int]:
    """Return the entries that the checkpoints in the sites' own logs name."""
    with ZipFile(path) as archive:
        by_sites = json.loads(archive.read("checkpoints.json"))["by_sites"]
    bodies = [parse_json(from_b64u(checkpoint["checkpoint"]["body"])) for checkpoint in by_sites]
    return [body["n"] for body in bodies]


def test_an_export_is_valid_after_the_signing_key_was_renewed(
    watched: Site, fake: FakeSite, config: Config, clock: Clock
) -> None:
    """The sites' logs, and anyone who kept a checkpoint, have some signed with the former key."""
    with ZipFile(export(config, clock, exporting.make_scope())) as archive:
        end = json.loads(archive.read("checkpoints.json"))["export"]
    kept = config.var_dir / "kept.json"
    kept.write_text(json.dumps(end))
    dashboard_identity.renew_signing_key(config)
    path = export(config, clock, exporting.make_scope())
    for verdict in (verify_with_own_program(path), verify(path, "--checkpoint", str(kept))):
        assert verdict.status == 0, verdict.output


def test_false_claims_in_a_sites_log_do_not_invalidate_an_export(
    watched: Site, fake: FakeSite, config: Config, clock: Clock
) -> None:
    signature = b64u(bytes(64))
    claim = {"log": "x", "n": 1, "hash": "0" * 64, "root": "0" * 64, "at": 1, "sig": signature}
    clock.advance(minutes=5)
    fake.write("answered", checkpoint=claim)
    fake.write("answered", checkpoint={**claim, "n": 10**9})
    # The last checkpoint of each day counts.
    clock.advance(days=1)
    read_report(watched, fake, config=config)
    assert read_log(watched, fake, config) == "read"
    path = export(config, clock, exporting.make_scope())
    verdict = verify_with_own_program(path)
    assert verdict.status == 0, verdict.output
    assert len(checkpoint_entries(path)) == 2


def test_an_export_is_valid_although_sites_are_called_meanwhile(
    watched: Site, fake: FakeSite, config: Config, clock: Clock
) -> None:
    """Writing takes minutes, and checkpoints sent meanwhile are about later entries."""
    path, called = config.var_dir / "export.zip", []

    def call_once(_: int) -> None:
        if not called:
            called.append(read_report(watched, fake, config=config))
            fill(3)
            clock.advance(minutes=1)
            read_report(watched, fake, config=config)
            assert read_log(watched, fake, config) == "read"

    exporting.write_export(path, "zip", exporting.make_scope(), config, clock(), call_once)
    assert called
    verdict = verify_with_own_program(path)
    assert verdict.status == 0, verdict.output


def test_newest_checkpoints_of_many_sites_stay_below_the_size_limit(
    watched: Site,
    fake: FakeSite,
    config: Config,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = export(config, clock, exporting.make_scope(client=watched.client))
    with ZipFile(path) as archive:
        document = json.loads(archive.read("checkpoints.json"))
    # In a log of ten million entries, a path has 24 hashes.
    record = {**document["by_sites"][-1], "path": ["0" * 64] * 24}
    size = len(canonical(record)) + len(canonical(document["of_sites"][-1])) + len(",,")
    assert export_formats._CHECKPOINTS_OF_ALL * size < program.MAX_FILE
    clock.advance(days=1)
    read_report(watched, fake, config=config)
    read_log(watched, fake, config)
    every = checkpoint_entries(export(config, clock, exporting.make_scope()))
    monkeypatch.setattr(export_formats, "_CHECKPOINTS_OF_ALL", 1)
    path = export(config, clock, exporting.make_scope())
    assert (len(every), checkpoint_entries(path)) == (2, every[-1:])
    assert verify_with_own_program(path).status == 0


def test_an_export_of_a_changed_audit_log_names_the_entry(
    watched: Site, config: Config, clock: Clock
) -> None:
    without_guards()
    AuditEntry.update(body=AuditEntry.get_by_id(3).body.replace(":", ": ", 1)).where(
        AuditEntry.seq == 3
    ).execute()
    verdict = verify_with_own_program(export(config, clock, exporting.make_scope()))
    assert (verdict.status, "entry 3" in verdict.output) == (1, True), verdict.output


def test_an_export_of_a_truncated_log_contradicts_a_sites_checkpoint(
    watched: Site, config: Config, clock: Clock
) -> None:
    seen = checkpoint_entries(export(config, clock, exporting.make_scope()))[-1]
    without_guards()
    cut_off_after(seen - 5)
    verdict = verify_with_own_program(export(config, clock, exporting.make_scope()))
    assert (verdict.status, f"it names entry {seen}, but" in verdict.output) == (1, True)
    fill(12)
    assert audit.verify_chain().is_whole
    verdict = verify_with_own_program(export(config, clock, exporting.make_scope()))
    assert (verdict.status, f"its entry {seen} differs from" in verdict.output) == (1, True)


# ---- tampering on the way ----


@examples(quick=40, thorough=300, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_no_byte_of_an_export_can_be_changed(
    data: st.DataObject, watched: Site, config: Config, clock: Clock, tmp_path: Path
) -> None:
    """Verification finds every line that is changed, dropped, repeated or added."""
    path = config.var_dir / "export.zip"
    if not path.exists():
        export(config, clock, exporting.make_scope())
    with ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    name = data.draw(st.sampled_from(sorted(name for name in files if files[name])))
    raw = files[name]
    at = data.draw(st.integers(0, len(raw) - 1))
    length = data.draw(st.integers(1, min(40, len(raw) - at)))
    how = data.draw(st.sampled_from(["flip", "drop", "double", "insert", "cut"]))
    changed = {
        "flip": raw[:at] + bytes([raw[at] ^ data.draw(st.integers(1, 255))]) + raw[at + 1 :],
        "drop": raw[:at] + raw[at + length :],
        "double": raw[: at + length] + raw[at : at + length] + raw[at + length :],
        "insert": raw[:at] + data.draw(st.binary(min_size=1, max_size=8)) + raw[at:],
        "cut": raw[:at],
    }[how]
    folder = tmp_path / "changed"
    folder.mkdir(exist_ok=True)
    if changed != raw:
        assert judge({**files, name: changed}, folder), (name, how, at)


# ---- formats for people ----


def test_a_table_holds_no_formula(ana: Actor, config: Config, clock: Clock) -> None:
    hostile = '=HYPERLINK("https://evil.example","x")'
    with transaction():
        event = SiteAdded(site_id=1, name=hostile, url="https://x.example", client="@SUM(1)")
        audit.record(event, Actor("user", 9, "=1+1", "owner", "-2"), now=clock())
    path = export(config, clock, exporting.make_scope(), "csv")
    rows = list(csv.DictReader(io.StringIO(path.read_text("utf-8-sig"))))
    (row,) = rows
    assert (row["who"], row["from_address"]) == ("'=1+1", "'-2")
    assert json.loads(row["facts"])["name"] == hostile
    assert not any(value.startswith(("=", "+", "-", "@", "\t", "\r")) for value in row.values())


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@x", "\tx", "\rx"])
def test_a_formula_stays_text_in_a_spreadsheet(text: str) -> None:
    assert escape_csv_formula(text) == f"'{text}"
    assert escape_csv_formula(None) == ""
    assert escape_csv_formula(7) == "7"


def test_lines_name_actor_site_and_hash(watched: Site, config: Config, clock: Clock) -> None:
    path = export(config, clock, exporting.make_scope(site=watched), "jsonl")
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    approved = next(entry for entry in lines if entry["event"] == "change_approved")
    assert (approved["actor"]["name"], approved["site"]) == ("Ana", watched.id)
    assert approved["hash"] == AuditEntry.get_by_id(approved["number"]).hash


# ---- request, download and delete ----


def request(
    by: Actor, clock: Clock, covered: ExportScope | None = None, form: str = "zip"
) -> AuditLogExport:
    now = clock()
    scope = covered or exporting.make_scope()
    return exporting.request_export(form, scope, by=by, confirmed_at=now, now=now)


def test_an_export_is_recorded_downloaded_and_deleted_after_a_day(
    watched: Site, ben: Actor, config: Config, clock: Clock, jobs: RecordingQueue
) -> None:
    requested = request(ben, clock, exporting.make_scope(client=watched.client))
    assert jobs.jobs[-1][:2] == ("export_audit_log", (requested.id,))
    assert exporting.run_export(requested.id, config=config, now=clock) == DONE
    facts = entry_document(AuditEntry.head())["facts"]
    assert (AuditEntry.head().event, facts["scope"]) == (
        "audit_log_exported",
        f"Client {watched.client.name}",
    )
    stored, path = exporting.get_download(requested.id, by=ben, config=config, now=clock())
    assert path.stat().st_mode & 0o077 == 0
    assert facts["digest"] == stored.digest
    handed = AuditEntry.head()
    assert (handed.event, handed.client_id) == ("export_downloaded", watched.client_id)
    assert entry_document(handed)["facts"]["digest"] == stored.digest
    assert exporting.run_export(requested.id, config=config, now=clock) == DONE, "a job runs once"
    assert exporting.queue_due_exports(config, clock.advance(hours=23)) == 0
    assert exporting.queue_due_exports(config, clock.advance(hours=2)) == 1
    assert not path.exists()
    assert AuditLogExport.get_by_id(requested.id).state == GONE
    with pytest.raises(NotFound):
        exporting.get_download(requested.id, by=ben, config=config, now=clock())


def test_a_viewer_or_an_old_password_exports_nothing(
    cleo: Actor, dora: Actor, ana: Actor, config: Config, clock: Clock
) -> None:
    for by in (cleo, dora):
        with pytest.raises(Forbidden):
            request(by, clock)
        with pytest.raises(Forbidden):
            exporting.get_download(1, by=by, config=config, now=clock())
    long_ago = clock() - timedelta(minutes=16)
    with pytest.raises(ReauthenticationRequired):
        exporting.request_export(
            "zip", ExportScope("x"), by=ana, confirmed_at=long_ago, now=clock()
        )
    with pytest.raises(Invalid):
        request(ana, clock, form="exe")
    with pytest.raises(Invalid):
        exporting.make_scope(since=clock(), until=clock())
    assert AuditLogExport.select().count() == 0


def test_a_lost_export_is_ended_or_started_again(
    ana: Actor, config: Config, clock: Clock, jobs: RecordingQueue
) -> None:
    requested = request(ana, clock)
    jobs.jobs.clear()
    assert exporting.queue_due_exports(config, clock() + timedelta(minutes=6)) == 1
    assert jobs.jobs[-1][:2] == ("export_audit_log", (requested.id,))
    requested.move(to=RUNNING, when=(QUEUED,), heartbeat_at=clock())
    assert exporting.queue_due_exports(config, clock() + timedelta(minutes=6)) == 1
    assert AuditLogExport.get_by_id(requested.id).state == FAILED


def test_a_full_disk_is_reported_and_leaves_no_file(
    ana: Actor, config: Config, clock: Clock
) -> None:
    requested = request(ana, clock)
    (config.var_dir / "exports").mkdir()
    exporting.export_path(requested, config).mkdir()
    with pytest.raises(OSError, match="directory"):
        exporting.run_export(requested.id, config=config, now=clock)
    assert AuditLogExport.get_by_id(requested.id).state == FAILED
