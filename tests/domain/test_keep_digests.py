"""Aura keeps only digests of a site's routine entries; the chain can still be verified."""

from __future__ import annotations

import json
from hashlib import sha256

import pytest
from peewee import DatabaseError

from app.config import Config
from app.domain.crosscheck import routine_entries, site_log
from app.models.alerts import Alert
from app.models.base import db
from app.models.site_log import SiteLog, SiteLogDigests, SiteLogEntry
from app.models.sites import Site
from app.models.visibility import EVERYTHING
from app.protocol import chain_genesis, site_log_hash
from tests.support.factories import read_log, read_report
from tests.support.fakes import FakeSite

A_DAY = 24


def pass_days(site: Site, fake: FakeSite, config: Config, *, days: int) -> None:
    """Let the site answer 24 requests each day, and read its log daily."""
    for _ in range(days):
        for _ in range(22):
            fake.clock.advance(hours=1)
            fake.write("answered", operation="report", by="Ana", nonce="")
        fake.clock.advance(hours=2)
        read_report(site, fake, config=config)
        read_log(site, fake, config)


def kept(site: Site) -> list[SiteLogEntry]:
    read = SiteLog.get_by_id(site.id)
    return SiteLogEntry.behind(site.id, read.branch, -1)


def event(entry: SiteLogEntry) -> str:
    return str(json.loads(entry.body)["event"])


def is_routine(entry: SiteLogEntry) -> bool:
    return event(entry) == "answered"


def runs(site: Site) -> list[SiteLogDigests]:
    return SiteLogDigests.of(site.id, SiteLog.get_by_id(site.id).branch)


def test_one_routine_entry_of_each_sunday_is_kept_in_full(
    paired: Site, fake: FakeSite, config: Config
) -> None:
    pass_days(paired, fake, config, days=30)
    reduced_until = runs(paired)[-1].last
    whole = [row for row in kept(paired) if is_routine(row)]
    before = [json.loads(row.body)["at"][:10] for row in whole if row.seq < reduced_until]
    assert before == ["2026-11-29", "2026-12-06"]
    # Entries of the last week are still compared, so they are kept in full.
    assert len(whole) - len(before) > 7 * A_DAY


@pytest.mark.both_databases
def test_the_chain_is_verified_with_the_digests(
    paired: Site, fake: FakeSite, config: Config
) -> None:
    pass_days(paired, fake, config, days=20)
    digests = {row.seq: sha256(row.body.encode()).digest() for row in kept(paired)}
    for run in runs(paired):
        raw = bytes(run.digests)
        assert len(raw) == 32 * (run.last - run.first + 1)
        for place, seq in enumerate(range(run.first, run.last + 1)):
            assert seq not in digests
            digests[seq] = raw[32 * place : 32 * place + 32]
    before = chain_genesis(fake.log_uuid)
    for entry in fake.log[: len(digests)]:
        before = site_log_hash(entry.seq, before, digests[entry.seq])
        assert before.hex() == entry.hash
    assert SiteLogEntry.count_of(paired) == len(digests) == SiteLog.get_by_id(paired.id).n


def test_decisions_changes_and_refusals_are_kept_in_full(
    paired: Site, fake: FakeSite, config: Config
) -> None:
    names = ("permissions_changed", "update_answered", "refused", "unauthenticated_refused")
    for name in names:
        fake.write(name, nonce="")
    fake.write("answered", operation="change.run", by="Ana", nonce="")
    fake.write("answered", operation=["report"], by="Ana", nonce="")
    fake.write("answered", operation="report", by="Ana", nonce="")
    pass_days(paired, fake, config, days=20)
    assert runs(paired)[-1].last > 10
    found = [event(row) for row in kept(paired)]
    assert all(name in found for name in names)
    operations = [json.loads(row.body)["facts"].get("operation") for row in kept(paired)]
    assert operations.count("change.run") == 1
    assert operations.count(["report"]) == 1


def test_equal_times_of_all_entries_do_not_prevent_the_reduction(
    paired: Site, fake: FakeSite, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SiteLogEntry, "MOST", 50)
    read_log(paired, fake, config)
    for _ in range(300):
        fake.write("answered", operation="report", by="Ana", nonce="")
    fake.clock.advance(days=9)
    for _ in range(9):
        read_log(paired, fake, config)
        fake.clock.advance(days=1)
    assert SiteLogDigests.count_of(paired) > 150


def test_reduced_entries_were_compared_before(paired: Site, fake: FakeSite, config: Config) -> None:
    pass_days(paired, fake, config, days=15)
    assert not Alert.unresolved(EVERYTHING)
    fake.write("answered", operation="report", by="Someone else", nonce="unknown")
    pass_days(paired, fake, config, days=15)
    assert [alert.kind for alert in Alert.unresolved(EVERYTHING)] == ["call_unknown"]
    assert "Someone else" not in "".join(row.body for row in kept(paired))


@pytest.mark.both_databases
def test_two_processes_keep_each_digest_once(paired: Site, fake: FakeSite, config: Config) -> None:
    pass_days(paired, fake, config, days=20)
    read = SiteLog.get_by_id(paired.id)
    SiteLog.update(digests_n=0).execute()
    assert not read.advance_digests(read.digests_n + 1), "another process was faster"
    SiteLog.update(digests_n=read.digests_n).execute()
    before = [(run.first, run.last) for run in runs(paired)]
    assert routine_entries.keep_digests(paired) == 0
    assert [(run.first, run.last) for run in runs(paired)] == before


@pytest.mark.both_databases
def test_the_database_refuses_to_change_stored_digests(
    paired: Site, fake: FakeSite, config: Config
) -> None:
    pass_days(paired, fake, config, days=20)
    before = (len(kept(paired)), [bytes(run.digests) for run in runs(paired)])
    for statement in (
        "UPDATE site_log_digests SET last = last",
        "DELETE FROM site_log_digests",
        "INSERT INTO site_log_digests SELECT site_id, branch, first + 1, last, digests"
        " FROM site_log_digests",
        "DELETE FROM site_log_entry",
    ):
        with pytest.raises(DatabaseError), db.atomic():
            db.execute_sql(statement)
        assert (len(kept(paired)), [bytes(run.digests) for run in runs(paired)]) == before


def test_the_first_entry_is_kept_in_full_as_the_start_of_a_verification(
    paired: Site, fake: FakeSite, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The entries that a site sends of a trimmed log may start with any number.
    monkeypatch.setattr(site_log, "MIN_RETAINED", 100)
    for _ in range(200):
        fake.write("answered", operation="report", by="Ana", nonce="")
    del fake.log[:50]
    pass_days(paired, fake, config, days=20)
    first = kept(paired)[0]
    assert (first.seq, is_routine(first), runs(paired)[0].first) == (51, True, 52)
