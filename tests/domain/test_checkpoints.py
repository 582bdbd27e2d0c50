"""Checkpoints of the audit log: signed in every call, stored by sites and compared with the
log."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.config import Config
from app.domain import alerts, audit, dashboard_identity
from app.domain.actor import SYSTEM, Actor
from app.domain.audit import checkpoints, merkle
from app.domain.audit.chain import LOG_UUID
from app.domain.audit.events import SyncRequested
from app.domain.connection import peer_view
from app.keys import new_signing_key, sign_checkpoint, signing_public
from app.models.alerts import Alert
from app.models.audit import AuditEntry
from app.models.audit_frontier import MerkleFrontier
from app.models.base import is_postgres, transaction
from app.models.call_log import OK, SiteCall
from app.models.checkpoints import AuditAnchor, SiteCheckpoint
from app.models.installation import Setting
from app.models.sites import Site
from app.models.visibility import EVERYTHING
from app.protocol import b64u, canonical, from_b64u, parse_json
from tests.support.audit_entries import fill
from tests.support.database_tampering import cut_off_after, without_guards
from tests.support.factories import approve, check, propose, read_report, run_change
from tests.support.fakes import Clock, FakeSite
from tests.support.queries import counted_queries

pytestmark = pytest.mark.both_databases

SEED = new_signing_key()
PUBLIC = b64u(signing_public(SEED))


def grow(count: int) -> None:
    with transaction():
        for number in range(count):
            audit.record(SyncRequested(sync_id=number), SYSTEM)


def root_of_all() -> str:
    leaves = [bytes.fromhex(entry.hash) for entry in AuditEntry.select().order_by(AuditEntry.seq)]
    return merkle.Tree(leaves).root().hex()


def truncate_audit_log(last: int) -> None:
    """Delete the newest entries, as the owner of the database can after dropping the triggers."""
    without_guards()
    cut_off_after(last)


# ---- Aura's own checkpoint ----


def test_an_entry_is_on_disk_before_a_site_gets_its_checkpoint(
    ana: Actor, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    monkeypatch.setattr(
        "app.models.durability.os.fsync", lambda file: synced.append(file_behind(file))
    )
    grow(2)
    checkpoints.current_checkpoint(config)
    checkpoints.current_checkpoint(config)
    grow(1)
    checkpoints.current_checkpoint(config)
    # SQLite syncs once each time that the log grew; PostgreSQL does it itself.
    assert synced == ([] if is_postgres() else [f"{config.var_dir}/aura.db-wal"] * 2)


def file_behind(descriptor: int) -> str:
    return str(Path(f"/proc/self/fd/{descriptor}").readlink())


def test_a_checkpoint_is_signed_again_only_after_a_change(ana: Actor, config: Config) -> None:
    grow(3)
    first = checkpoints.current_checkpoint(config)
    assert checkpoints.current_checkpoint(config) is first
    grow(1)
    second = checkpoints.current_checkpoint(config)
    assert (second.n, second.root) == (first.n + 1, root_of_all())
    renewed = dashboard_identity.renew_signing_key(config)
    third = checkpoints.current_checkpoint(config)
    assert (third.n, third.body) == (second.n, second.body)
    assert checkpoints.parse_checkpoint(third.as_sent(), b64u(renewed)) == third
    assert checkpoints.current_checkpoint(config, "") == second


def test_a_log_that_was_set_back_is_signed_as_it_is(ana: Actor, config: Config) -> None:
    grow(5)
    before = checkpoints.current_checkpoint(config)
    truncate_audit_log(before.n - 2)
    after = checkpoints.current_checkpoint(config)
    assert (after.n, after.root) == (before.n - 2, root_of_all())


def test_the_checkpoint_names_the_newest_entry_and_the_root(ana: Actor, config: Config) -> None:
    grow(5)
    checkpoint, head = checkpoints.current_checkpoint(config), AuditEntry.head()
    assert (checkpoint.n, checkpoint.hash) == (head.seq, head.hash)
    assert (checkpoint.root, checkpoint.at) == (root_of_all(), int(head.at.timestamp()))
    public = b64u(dashboard_identity.load_dashboard(config).sign_public)
    assert checkpoints.parse_checkpoint(checkpoint.as_sent(), public) == checkpoint
    assert parse_json(checkpoint.body) == {
        "v": 1,
        "log": Setting.read(LOG_UUID),
        "n": checkpoint.n,
        "hash": checkpoint.hash,
        "root": checkpoint.root,
        "at": checkpoint.at,
    }


def test_the_checkpoint_of_an_empty_log_names_the_log(database: Config) -> None:
    checkpoint = checkpoints.current_checkpoint(database)
    assert (checkpoint.n, checkpoint.at, checkpoint.root) == (0, 0, merkle.EMPTY.hex())
    assert checkpoint.hash == audit.genesis_hash(checkpoint.log)


@pytest.mark.parametrize("counts", [(1, 1, 1), (63, 1, 2), (64, 70, 1), (200, 3)])
def test_the_root_is_right_when_the_tree_grows_from_a_stored_one(
    database: Config, counts: tuple[int, ...]
) -> None:
    for count in counts:
        grow(count)
        assert checkpoints.current_checkpoint(database).root == root_of_all()
    kept = MerkleFrontier.known()
    assert (kept is None) == (sum(counts) < 64)


def test_an_altered_log_is_signed_without_its_stored_tree(
    database: Config,
) -> None:
    grow(100)
    checkpoints.current_checkpoint(database)
    truncate_audit_log(90)
    assert (
        checkpoints.current_checkpoint(database).n,
        checkpoints.current_checkpoint(database).root,
    ) == (90, root_of_all())
    grow(20)
    assert (
        checkpoints.current_checkpoint(database).n,
        checkpoints.current_checkpoint(database).root,
    ) == (110, root_of_all())


# ---- parsing ----


def signed(**changed: Any) -> dict[str, str]:
    document = {
        "v": 1,
        "log": "5d2f9f5e-0000-4000-8000-00000000000a",
        "n": 3,
        "hash": "a" * 64,
        "at": 7,
        **changed,
    }
    body = canonical({name: value for name, value in document.items() if value is not None})
    return {"body": b64u(body), "sig": b64u(sign_checkpoint(SEED, body))}


def signed_by_aura(config: Config, **changed: Any) -> dict[str, str]:
    """Return a checkpoint of the audit log that a site could really hold."""
    document = {**parse_json(checkpoints.current_checkpoint(config).body), **changed}
    body = canonical(document)
    seed = dashboard_identity.load_dashboard(config).signing_key
    return {"body": b64u(body), "sig": b64u(sign_checkpoint(seed, body))}


def test_a_signed_checkpoint_is_parsed() -> None:
    checkpoint = checkpoints.parse_checkpoint(signed(), PUBLIC)
    assert (checkpoint.n, checkpoint.hash, checkpoint.at, checkpoint.root) == (3, "a" * 64, 7, "")


@pytest.mark.parametrize(
    "changed",
    [
        *({"v": 2}, {"n": -1}, {"n": True}, {"n": "3"}, {"at": None}, {"at": -5}),
        *({"hash": "A" * 64}, {"hash": "a" * 63}, {"root": "x"}, {"log": "x"}, {"log": 5}),
        {"more": "x" * 2000},
    ],
)
def test_a_signed_document_that_is_no_checkpoint_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(checkpoints.CheckpointInvalid):
        checkpoints.parse_checkpoint(signed(**changed), PUBLIC)


@pytest.mark.parametrize("document", [None, [], "x", {}, {"body": "e30"}, {"body": 1, "sig": 2}])
def test_a_document_of_the_wrong_shape_is_refused(document: object) -> None:
    with pytest.raises(checkpoints.CheckpointInvalid):
        checkpoints.parse_checkpoint(document, PUBLIC)


def test_a_checkpoint_of_another_key_or_with_one_byte_changed_is_refused() -> None:
    document = signed()
    with pytest.raises(checkpoints.CheckpointInvalid, match="not signed"):
        checkpoints.parse_checkpoint(document, b64u(signing_public(new_signing_key())))
    body = bytearray(from_b64u(document["body"]))
    body[5] ^= 1
    with pytest.raises(checkpoints.CheckpointInvalid):
        checkpoints.parse_checkpoint({**document, "body": b64u(bytes(body))}, PUBLIC)


# ---- in calls ----


def test_calls_to_a_paired_site_carry_a_checkpoint_and_pairing_does_not(
    paired: Site, fake: FakeSite, config: Config
) -> None:
    assert fake.held is None
    read_report(paired, fake, config=config)
    first = fake.held
    assert first is not None
    assert AuditEntry.get_by_id(first["n"]).hash == first["hash"]
    read_report(paired, fake, config=config)
    assert fake.held["n"] > first["n"]


def test_one_checkpoint_of_each_day_and_the_newest_are_kept(
    paired: Site, fake: FakeSite, config: Config
) -> None:
    for hours in (0, 1, 30):
        fake.clock.advance(hours=hours)
        read_report(paired, fake, config=config)
    kept = list(SiteCheckpoint.select().order_by(SiteCheckpoint.day))
    assert [row.day for row in kept] == ["2026-11-24", "2026-11-25"]
    assert (kept[1].n, kept[1].hash) == tuple(fake.head.values())
    checkpoint = checkpoints.parse_checkpoint(
        {"body": b64u(kept[0].body.encode()), "sig": kept[0].signature}, paired.sign_s
    )
    assert (checkpoint.n, checkpoint.hash) == (kept[0].n, kept[0].hash)


def test_the_row_of_a_call_names_the_sites_newest_entry_and_the_nonce(
    paired: Site, fake: FakeSite, config: Config
) -> None:
    read_report(paired, fake, config=config)
    (call,) = SiteCall.newest_of(paired.id, 1)
    assert (call.op, call.outcome, call.head_n) == ("report", OK, fake.head["n"])
    assert call.nonce == parse_json(fake.log[-1].body.encode())["facts"]["nonce"]


# ---- checkpoints from sites ----


def test_a_sites_checkpoint_that_matches_raises_no_alert(
    paired: Site, fake: FakeSite, config: Config
) -> None:
    for _ in range(3):
        read_report(paired, fake, config=config)
    (anchor,) = checkpoints.anchors()
    assert anchor.holder.startswith("the site Bakery (2026-11-24 ")
    assert AuditEntry.get_by_id(anchor.n).hash == anchor.hash
    found = audit.verify_chain(checkpoints.anchors())
    assert (found.is_whole, found.anchors) == (True, 1)
    assert Alert.select().count() == 0


def test_checkpoints_of_years_need_no_more_queries(
    paired: Site, fake: FakeSite, config: Config
) -> None:
    """Otherwise the nightly verification of a large fleet lasts minutes, and counts as lost."""
    for _ in range(3):
        read_report(paired, fake, config=config)
    (anchor,) = checkpoints.anchors()
    with counted_queries() as few:
        audit.verify_chain([anchor])
    for _ in range(399):
        AuditAnchor.keep(paired, anchor.n, anchor.hash, fake.clock.advance(days=1))
    with counted_queries() as many:
        found = audit.verify_chain(checkpoints.anchors())
    assert (found.is_whole, found.anchors) == (True, 400)
    # Two queries read the anchors: the alerts, and all anchors with the names of their sites.
    assert len(many) == len(few) + 2


def test_a_sites_checkpoint_reveals_a_truncated_audit_log(
    paired: Site, fake: FakeSite, config: Config
) -> None:
    read_report(paired, fake, config=config)
    read_report(paired, fake, config=config)
    seen = fake.held
    truncate_audit_log(seen["n"] - 3)
    fill(5)
    fake.clock.advance(minutes=1)
    read_report(paired, fake, config=config)
    kinds = {alert.kind for alert in Alert.unresolved(EVERYTHING)}
    assert alerts.AUDIT_LOG_LOST in kinds
    lost = next(item for item in Alert.unresolved(EVERYTHING) if item.kind == alerts.AUDIT_LOG_LOST)
    assert lost.evidence["site"] == {"entry": seen["n"], "hash": seen["hash"]}
    found = audit.verify_chain(checkpoints.anchors())
    assert (found.broken_at, "the site Bakery" in found.reason) == (seen["n"], True)


def test_a_site_refuses_an_audit_log_that_was_set_back(
    paired: Site, fake: FakeSite, config: Config
) -> None:
    read_report(paired, fake, config=config)
    read_report(paired, fake, config=config)
    truncate_audit_log(fake.held["n"] - 3)
    with transaction():
        audit.record(SyncRequested(sync_id=1), SYSTEM, now=fake.clock.advance(minutes=5))
    assert read_report(paired, fake, config=config).state == "done"
    assert fake.refused
    assert alerts.AUDIT_LOG_REFUSED in {alert.kind for alert in Alert.unresolved(EVERYTHING)}
    count = Alert.select().count()
    read_report(paired, fake, config=config)
    assert Alert.select().count() == count


def test_an_update_is_refused_with_its_own_code_meanwhile(
    ready: Site, fake: FakeSite, ana: Actor, config: Config, clock: Clock
) -> None:
    change = approve(check(propose(ready, ana, clock()), fake, config), ana, config, clock())
    fake.refused = True
    assert run_change(change, fake, config) == "refused"
    assert change.outcome_reason == "audit_log_forked"


def test_a_closed_alert_explains_its_anchor(
    paired: Site, fake: FakeSite, ana: Actor, config: Config
) -> None:
    read_report(paired, fake, config=config)
    fake.shown = signed_by_aura(config, n=4000, hash="f" * 64)
    read_report(paired, fake, config=config)
    assert not audit.verify_chain(checkpoints.anchors()).is_whole
    now = fake.clock()
    terms = {"note": "A backup of Monday.", "with_others": True, "confirmed_at": now, "now": now}
    alert = next(
        item for item in Alert.unresolved(EVERYTHING) if item.kind == alerts.AUDIT_LOG_LOST
    )
    alerts.close_alert(alert, by=ana, **terms)
    assert audit.verify_chain(checkpoints.anchors()).is_whole


@pytest.mark.parametrize(
    "claim",
    [
        *(7, {}, [], {"n": 4000, "hash": "f" * 64}, {"body": "e30", "sig": "x"}),
        signed(n=4000, hash="f" * 64),
    ],
)
def test_an_unproven_claim_is_an_alert_about_that_site_alone(
    paired: Site, fake: FakeSite, config: Config, claim: object
) -> None:
    read_report(paired, fake, config=config)
    read_report(paired, fake, config=config)
    before = [(anchor.n, anchor.hash) for anchor in checkpoints.anchors()]
    for _ in range(30):
        fake.shown = claim
        assert read_report(paired, fake, config=config).state == "done"
    (alert,) = Alert.unresolved(EVERYTHING)
    assert (alert.kind, alert.kind in alerts.ABOUT_AUDIT_LOG) == (alerts.CLAIM_UNPROVEN, False)
    assert "checkpoint" in alert.evidence["site"]["why"]
    assert [(anchor.n, anchor.hash) for anchor in checkpoints.anchors()] == before
    assert audit.verify_chain(checkpoints.anchors()).is_whole


def test_a_refusal_without_proof_does_not_question_the_audit_log(
    paired: Site, fake: FakeSite, config: Config
) -> None:
    fake.refused = True
    read_report(paired, fake, config=config)
    (alert,) = Alert.unresolved(EVERYTHING)
    assert (alert.kind, alert.evidence["site"]["refuses"]) == (alerts.CLAIM_UNPROVEN, True)


def test_a_refusal_of_an_intact_log_is_an_alert_about_the_site(
    paired: Site, fake: FakeSite, config: Config
) -> None:
    read_report(paired, fake, config=config)
    fake.refused = True
    read_report(paired, fake, config=config)
    (alert,) = Alert.unresolved(EVERYTHING)
    assert (alert.kind, alert.evidence["site"]["entry"]) == (
        alerts.CLAIM_UNPROVEN,
        checkpoints.anchors()[0].n,
    )


def test_an_unproven_claim_is_reported_once_a_day(
    paired: Site, fake: FakeSite, config: Config
) -> None:
    for _ in range(2):
        fake.shown = {"n": 4000, "hash": "f" * 64}
        read_report(paired, fake, config=config)
    assert Alert.select().count() == 1
    fake.clock.advance(days=1)
    fake.shown = {"n": 4001, "hash": "f" * 64}
    read_report(paired, fake, config=config)
    assert Alert.select().count() == 2


def test_a_claim_is_not_checked_without_auras_key(
    paired: Site, fake: FakeSite, config: Config
) -> None:
    elsewhere = replace(config, sealing_keys=(("other", bytes(32)),))
    assert peer_view.claim_in({"seen": {"n": 4000, "hash": "f" * 64}}, elsewhere) is None


def test_a_checkpoint_of_an_empty_log_raises_no_alert(
    paired: Site, clock: Clock, config: Config
) -> None:
    claim = peer_view.claim_in({"seen": signed_by_aura(config, n=0)}, config)
    assert claim is not None
    with transaction():
        peer_view.record_peer_view(paired, claim, SYSTEM, clock())
    assert Alert.select().count() == AuditAnchor.select().count() == 0


def test_the_stored_frontier_is_never_ahead_of_the_audit_log(database: Config) -> None:
    grow(130)
    checkpoints.current_checkpoint(database)
    kept = MerkleFrontier.known()
    assert kept is not None
    assert AuditEntry.get_by_id(kept.size).hash == kept.hash
    assert 64 <= kept.size <= AuditEntry.head().seq
