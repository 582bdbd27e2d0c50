"""Issue a pairing token and try it."""

from __future__ import annotations

from app.config import Config
from app.domain.actor import Actor
from app.domain.connection import pairing
from app.models.sites import (
    Pairing,
    Site,
)
from tests.support.fakes import Clock, FakeSite


def issue(site: Site, by: Actor, config: Config, clock: Clock) -> tuple[Pairing, str]:
    return pairing.issue_token(site, by=by, config=config, now=clock())


def attempt(token: Pairing, fake: FakeSite, config: Config) -> str:
    fresh = Pairing.get_by_id(token.id)
    if fresh.state == "waiting" and fresh.next_attempt_at > fake.clock():
        fake.clock.now = fresh.next_attempt_at
    outcome = pairing.attempt_pairing(token.id, config=config, call=fake.call, now=fake.clock)
    token.refresh()
    token.site.refresh()
    return outcome
