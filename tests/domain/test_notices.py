"""Accept signed notices that a site sends to Aura, and refuse all others."""

from __future__ import annotations

import json

import pytest

from app import protocol
from app.config import Config
from app.domain.actor import Actor
from app.domain.audit.documents import entry_document
from app.domain.changes.candidates import candidates_on_site
from app.domain.connection import pairing
from app.domain.inventory import notices
from app.domain.inventory.notices import NoticeResponse
from app.keys import Token, pairing_keys
from app.models.audit import AuditEntry
from app.models.reports import Sync
from app.models.sites import ACTIVE, DISCONNECTED, NEW, REVOKING, Pairing, Site
from app.protocol import SentRequest
from tests.support.factories import AKISMET, read_report
from tests.support.fakes import Clock, FakeSite, RecordingQueue

UNAUTHORIZED = (401, b'{"aura":1,"code":"unauthorized"}')


@pytest.fixture
def token(site: Site, ana: Actor, config: Config, clock: Clock, jobs: RecordingQueue) -> str:
    """Return the text of the waiting pairing token."""
    _, text = pairing.issue_token(site, by=ana, config=config, now=clock())
    jobs.jobs.clear()
    return text


def deliver(sent: SentRequest, config: Config, clock: Clock, **changes: object) -> NoticeResponse:
    parts = {"method": "POST", "headers": sent.headers, "body": sent.body, **changes}
    return notices.receive_notice(config=config, ip="192.0.2.9", now=clock(), **parts)


def read(answer: NoticeResponse, sent: SentRequest, text: str) -> dict[str, object]:
    """Parse the answer as the plugin does: only if its signature is valid."""
    token = Token.read(text)
    key = pairing_keys(token.secret, token.pid).note
    protocol.verify_response(
        sent, status=answer.status, headers=answer.headers, body=answer.body, key=key
    )
    return json.loads(answer.body)


# ---- pairing is ready ----


def test_a_ready_notice_starts_the_pairing_at_once(
    site: Site, token: str, fake: FakeSite, config: Config, clock: Clock, jobs: RecordingQueue
) -> None:
    sent = fake.ready_notice(config.origin, token)
    answer = deliver(sent, config, clock)
    assert answer.status == 200
    assert read(answer, sent, token) == {"v": 1, "ok": True, "op": "pair.ready"}
    assert jobs.jobs == [("pair_site", (site.waiting_token().id,), 0)]


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ("used", "used"),
        ("expired", "expired"),
        ("cancelled", "cancelled"),
        ("failed", "cancelled"),
    ],
)
def test_a_late_paste_gets_the_exact_reason(
    site: Site,
    token: str,
    fake: FakeSite,
    config: Config,
    clock: Clock,
    jobs: RecordingQueue,
    state: str,
    reason: str,
) -> None:
    site.waiting_token().close(state, clock())
    sent = fake.ready_notice(config.origin, token)
    answer = deliver(sent, config, clock)
    assert answer.status == 409
    error = read(answer, sent, token)["error"]
    assert error == {"code": "pairing_closed", "reason": reason}
    assert jobs.jobs == []


def test_a_notice_closes_an_expired_token(
    site: Site, token: str, fake: FakeSite, config: Config, clock: Clock
) -> None:
    clock.advance(minutes=30)
    answer = deliver(fake.ready_notice(config.origin, token), config, clock)
    assert answer.status == 409
    site.refresh()
    assert site.state == NEW


# ---- the site disconnects ----


def test_disconnect_with_its_proof_disconnects_the_site(
    paired: Site, fake: FakeSite, config: Config, clock: Clock
) -> None:
    answer = deliver(fake.disconnect_notice(config.origin), config, clock)
    assert answer.status == 200
    paired.refresh()
    # The revocation secret is kept: it can only disconnect, and the notice may be forged.
    assert (paired.state, set(paired.keys_sealed)) == (DISCONNECTED, {"revoke"})
    last = entry_document(AuditEntry.head())
    assert last["event"] == "site_disconnected"
    assert last["actor"] == {"kind": "site", "id": paired.id, "name": "Bakery", "ip": "192.0.2.9"}


def test_a_disconnect_with_a_wrong_proof_is_ignored(
    paired: Site, fake: FakeSite, config: Config, clock: Clock
) -> None:
    answer = deliver(fake.disconnect_notice(config.origin, g=bytes(32)), config, clock)
    assert (answer.status, answer.body) == UNAUTHORIZED
    paired.refresh()
    assert paired.state == ACTIVE


def test_no_notice_is_accepted_while_revoking(
    paired: Site, fake: FakeSite, config: Config, clock: Clock
) -> None:
    paired.move(to=REVOKING, when=(ACTIVE,))
    answer = deliver(fake.disconnect_notice(config.origin), config, clock)
    assert (answer.status, answer.body) == UNAUTHORIZED
    paired.refresh()
    assert paired.state == REVOKING


# ---- the owner changes permissions ----


def test_changed_permissions_bring_the_next_sync_forward(
    ready: Site, fake: FakeSite, config: Config, clock: Clock, jobs: RecordingQueue
) -> None:
    sent = fake.permissions_notice(config.origin)
    answer = deliver(sent, config, clock)
    assert answer.status == 200
    protocol.verify_response(
        sent,
        status=answer.status,
        headers=answer.headers,
        body=answer.body,
        key=fake.paired.keys.s2d,
    )
    assert json.loads(answer.body) == {"v": 1, "ok": True, "op": "permissions_changed"}
    sync = Sync.open_for(ready)
    assert jobs.jobs == [("sync_site", (sync.id,), 0)]
    last = entry_document(AuditEntry.head())
    assert (last["event"], last["actor"]["kind"]) == ("sync_requested", "site")


def test_changed_permissions_count_only_after_the_next_report(
    ready: Site, fake: FakeSite, config: Config, clock: Clock
) -> None:
    fake.report["agent"]["permissions"]["plugins"] = False
    deliver(fake.permissions_notice(config.origin), config, clock)
    assert akismet_reasons(ready, clock) == []
    read_report(ready, fake, config=config)
    assert akismet_reasons(ready, clock) == ["permission_off"]


def akismet_reasons(site: Site, clock: Clock) -> list[str]:
    found = next(one for one in candidates_on_site(site, clock()) if one.target.ident == AKISMET)
    return [one.code for one in found.verdict.reasons]


def test_notices_all_day_do_not_keep_the_workers_busy(
    ready: Site, fake: FakeSite, config: Config, clock: Clock
) -> None:
    for _ in range(15):
        assert deliver(fake.permissions_notice(config.origin), config, clock).status == 200
        if Sync.open_for(ready):
            read_report(ready, fake, config=config)
        clock.advance(seconds=60)
    by_notice = Sync.select().where(Sync.requested_by == ready.name)
    assert by_notice.count() == 12
    clock.advance(hours=1)
    deliver(fake.permissions_notice(config.origin), config, clock)
    assert by_notice.count() == 13


# ---- refusals ----


def test_the_same_notice_again_is_refused(
    token: str, fake: FakeSite, config: Config, clock: Clock, jobs: RecordingQueue
) -> None:
    sent = fake.ready_notice(config.origin, token)
    assert deliver(sent, config, clock).status == 200
    answer = deliver(sent, config, clock)
    assert (answer.status, answer.body) == UNAUTHORIZED
    assert len(jobs.jobs) == 1


@pytest.mark.parametrize("name", ["Signature", "Signature-Input", "Content-Digest", "Content-Type"])
def test_a_notice_without_one_of_its_headers_is_refused(
    token: str, fake: FakeSite, config: Config, clock: Clock, name: str
) -> None:
    sent = fake.ready_notice(config.origin, token)
    sent.headers.pop(name)
    answer = deliver(sent, config, clock)
    assert (answer.status, answer.body) == UNAUTHORIZED


def test_every_unauthenticated_caller_gets_the_same_answer(
    site: Site, token: str, config: Config, clock: Clock
) -> None:
    pid = site.waiting_token().pid
    answers = set()
    for keyid, key in ((f"p_{pid}", bytes(32)), ("p_" + "A" * 22, bytes(32)), ("x.1", bytes(32))):
        sent = protocol.sign_request(
            f"{config.origin}/agent/notice",
            b'{"v":1,"op":"pair.ready"}',
            key=key,
            keyid=keyid,
            created=int(clock().timestamp()),
            nonce=protocol.new_nonce(),
            tag=protocol.NOTE_TAG,
        )
        answer = deliver(sent, config, clock)
        answers.add((answer.status, answer.body, tuple(answer.headers)))
    assert answers == {(*UNAUTHORIZED, ())}


@pytest.mark.parametrize(
    "changes",
    [
        {"body": b'{"v":1,"op":"pair.ready","pid":"x"}'},
        {"body": b""},
        {"method": "GET"},
        {"body": b"x" * (64 * 1024 + 1)},
    ],
)
def test_an_altered_notice_is_refused(
    token: str, fake: FakeSite, config: Config, clock: Clock, jobs: RecordingQueue, changes: dict
) -> None:
    answer = deliver(fake.ready_notice(config.origin, token), config, clock, **changes)
    assert answer.status in (401, 413)
    assert answer.body == UNAUTHORIZED[1]
    assert jobs.jobs == []


@pytest.mark.parametrize("seconds", [-301, 301])
def test_a_notice_with_an_old_or_future_timestamp_is_refused(
    token: str, fake: FakeSite, config: Config, clock: Clock, seconds: int
) -> None:
    sent = fake.ready_notice(config.origin, token)
    clock.advance(seconds=seconds)
    assert deliver(sent, config, clock).status == 401


def test_a_notice_for_another_dashboard_is_refused(
    token: str, fake: FakeSite, config: Config, clock: Clock
) -> None:
    assert deliver(fake.ready_notice("http://evil.test", token), config, clock).status == 401


@pytest.mark.parametrize(
    "changes", [{"op": "disconnect"}, {"pid": "A" * 22}, {"pid": None}, {"op": ["pair.ready"]}]
)
def test_a_pairing_notice_can_only_be_about_its_own_token(
    token: str, config: Config, clock: Clock, jobs: RecordingQueue, changes: dict
) -> None:
    read_token = Token.read(token)
    document = {"v": 1, "op": "pair.ready", "pid": protocol.b64u(read_token.pid), **changes}
    sent = protocol.sign_request(
        f"{config.origin}/agent/notice",
        protocol.canonical(document),
        key=pairing_keys(read_token.secret, read_token.pid).note,
        keyid=read_token.keyid,
        created=int(clock().timestamp()),
        nonce=protocol.new_nonce(),
        tag=protocol.NOTE_TAG,
    )
    answer = deliver(sent, config, clock)
    assert (answer.status, answer.body) == UNAUTHORIZED
    assert Pairing.get().state == "waiting"
    assert jobs.jobs == []


def test_refused_notices_all_day_do_not_fill_the_audit_log(
    token: str, fake: FakeSite, config: Config, clock: Clock
) -> None:
    sent = fake.ready_notice(config.origin, token)
    for _ in range(40):
        deliver(sent, config, clock, body=b"{}")
    assert len(AuditEntry.newest(event="notice_refused", limit=100)) == 20
    clock.advance(hours=2)
    deliver(sent, config, clock, body=b"{}")
    assert len(AuditEntry.newest(event="notice_refused", limit=100)) == 21


# ---- the key changes after it was looked up ----


@pytest.mark.parametrize("op", ["moved", "permissions_changed"])
@pytest.mark.parametrize("change", [{"kid": "other.1"}, {"keys_sealed": {}}])
def test_a_notice_is_refused_if_the_keys_of_its_site_change_meanwhile(
    paired: Site,
    fake: FakeSite,
    config: Config,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    op: str,
    change: dict[str, object],
) -> None:
    sent = {
        "moved": lambda: fake.moved_notice(config.origin, "https://new.example"),
        "permissions_changed": lambda: fake.permissions_notice(config.origin),
    }[op]()
    look = notices._refuse_replay

    def change_site(*args: object) -> None:
        look(*args)
        Site.update(**change).where(Site.id == paired.id).execute()

    monkeypatch.setattr(notices, "_refuse_replay", change_site)
    answer = deliver(sent, config, clock)
    assert (answer.status, answer.body) == UNAUTHORIZED


def test_a_notice_is_refused_if_its_token_is_deleted_meanwhile(
    token: str, fake: FakeSite, config: Config, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = fake.ready_notice(config.origin, token)
    look = notices._refuse_replay

    def delete_token(*args: object) -> None:
        look(*args)
        Pairing.delete().execute()

    monkeypatch.setattr(notices, "_refuse_replay", delete_token)
    answer = deliver(sent, config, clock)
    assert (answer.status, answer.body) == UNAUTHORIZED
