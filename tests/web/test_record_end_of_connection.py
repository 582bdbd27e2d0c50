"""The record of how a connection ended, for each way in which it can end."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from datetime import timedelta

import pytest

from app.domain.actor import Actor
from app.domain.connection import revocation
from app.http.errors import ErrorCode
from app.models.base import utcnow
from app.models.sites import Site
from app.protocol import b64u
from tests.support.factories import read_report
from tests.support.fakes import FakeSite

BY_SITE = "The site, in its wp-admin"


class EndedConnection:
    """Run the steps that can end a connection: clicks, notices and outages."""

    def __init__(self, site: Site, fake: FakeSite, config, ana: Actor) -> None:
        self.site, self.fake, self.config, self.ana = site, fake, config, ana

    def revoke(self) -> None:
        revocation.revoke_access(
            self.site, by=self.ana, reason="contract ended", now=self.fake.clock()
        )

    def deliver(self) -> None:
        revocation.deliver_revocation(
            self.site.id,
            config=self.config,
            call=self.fake.call,
            call_bearer=self.fake.call_bearer,
            now=self.fake.clock,
        )

    def notice(self) -> None:
        secret = b64u(self.fake.paired.keys.disconnect)
        revocation.receive_disconnect(self.site.key_id, secret, now=self.fake.clock())

    def sync(self) -> None:
        read_report(self.site, self.fake, config=self.config)


def revoked(connection: EndedConnection) -> None:
    connection.revoke()
    connection.deliver()


def acknowledged_late(connection: EndedConnection) -> None:
    connection.revoke()
    connection.fake.failing = [ErrorCode.connect_timeout] * 4
    connection.deliver()
    connection.fake.failing = []
    connection.fake.clock.advance(hours=1)
    connection.deliver()


def unreached(connection: EndedConnection) -> None:
    connection.revoke()
    connection.fake.failing = [ErrorCode.connect_timeout] * 4
    connection.deliver()


def given_up(connection: EndedConnection) -> None:
    unreached(connection)
    connection.fake.clock.advance(days=91)
    connection.deliver()


def refused_without_proof(connection: EndedConnection) -> None:
    connection.revoke()
    connection.fake.paired = None
    connection.deliver()


def left_by_notice(connection: EndedConnection) -> None:
    connection.notice()


def left_by_notice_and_confirmed(connection: EndedConnection) -> None:
    connection.notice()
    connection.fake.disconnect()
    connection.deliver()


def found_in_a_reply(connection: EndedConnection) -> None:
    connection.fake.disconnect()
    connection.sync()


def left_before_it_was_revoked(connection: EndedConnection) -> None:
    connection.revoke()
    connection.fake.disconnect()
    connection.deliver()


def forged_notice(connection: EndedConnection) -> None:
    connection.notice()
    connection.deliver()


def refused_three_times(connection: EndedConnection) -> None:
    connection.fake.paired = None
    for _ in range(3):
        connection.sync()


WAYS: list[tuple[Callable[[EndedConnection], None], str, str, dict[str, str]]] = [
    (revoked, "revoked", "Ana", {"Acknowledged by the site": "Yes", "Old key": "Yes"}),
    (acknowledged_late, "revoked_unproven", "Ana", {"Acknowledged": "Yes", "Old key": "Not seen"}),
    (unreached, "revoked_unreached", "Ana", {"Acknowledged": "Not seen", "Old key": "Not seen"}),
    (given_up, "revoked_unreached", "Ana", {"Acknowledged": "Not seen", "Stopped trying": "20"}),
    (refused_without_proof, "revoked_unproven", "Ana", {"Acknowledged": "Not seen"}),
    (left_by_notice, "disconnected", BY_SITE, {"Proved by the site": "in a signed notice"}),
    (left_by_notice_and_confirmed, "disconnected", BY_SITE, {"Proved": "in a signed notice"}),
    (found_in_a_reply, "disconnected", BY_SITE, {"Proved": "in its answer to a call"}),
    (
        left_before_it_was_revoked,
        "disconnected",
        BY_SITE,
        {"Proved": "in its answer to the revocation", "Revocation requested by": "Ana"},
    ),
    (forged_notice, "revoked_unproven", "Aura. Before that, someone", {"Acknowledged": "Yes"}),
    (refused_three_times, "disconnected_unconfirmed", "Not known", {"Proved": "No."}),
]


def lines(page: str) -> dict[str, str]:
    """Return the terms and values of the evidence on a page."""
    found = re.findall(r"<div><dt>(.*?)</dt><dd>(.*?)</dd></div>", page, re.DOTALL)
    return {
        term: " ".join(html.unescape(re.sub(r"<[^>]+>", " ", value)).split())
        for term, value in found
    }


@pytest.mark.parametrize(
    ("way", "state", "by", "expected"), WAYS, ids=[label[0].__name__ for label in WAYS]
)
def test_page_and_record_agree_with_what_happened(
    as_ana, today, fake, config, ana, way, state, by, expected
):
    fake.clock.now = utcnow() - timedelta(days=92)
    way(EndedConnection(today, fake, config, ana))
    today.refresh()
    assert today.state == state
    page = lines(as_ana.get(f"/sites/{today.id}/connection").text.split('id="evidence"', 1)[1])
    record = lines(as_ana.get(f"/sites/{today.id}/certificate").text)
    evidence = [term for term in record if term in page and term not in ("Fingerprint", "Key id")]
    assert "Ended by" in evidence
    assert {term: page[term] for term in evidence} == {term: record[term] for term in evidence}
    assert record["Ended by"].startswith(by)
    for term, value in expected.items():
        name = next(label for label in record if label.startswith(term))
        assert value in record[name]
    if state.startswith("disconnected"):
        assert "Acknowledged by the site" not in record


def test_every_way_to_end_a_connection_is_covered():
    assert {state for _, state, _, _ in WAYS} == {
        "revoked", "revoked_unproven", "revoked_unreached", "disconnected",
        "disconnected_unconfirmed",
    }  # fmt: skip
