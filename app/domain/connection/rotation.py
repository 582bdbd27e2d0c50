"""Request new keys for a connection, at the known address or where the site moved.

docs/PROTOCOL.md 3.2; each attempt to agree on them is in rotation_attempt.py.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import uuid4

from app import queue
from app.config import Config
from app.domain import audit, dashboard_identity, permissions
from app.domain.actor import SYSTEM, Actor
from app.domain.audit.events import (
    KeyRotationRequested,
    SigningKeyRenewed,
)
from app.domain.connection.calls import KEYS_UNREADABLE, Call
from app.domain.connection.handshake import candidates
from app.domain.connection.rotation_attempt import OPERATION, RotationAttempt, generation_of, seal
from app.domain.errors import Conflict, NotPaired
from app.domain.sites import urls
from app.http import site_client
from app.keys import (
    Exchange,
    SealBroken,
    sign_plan,
)
from app.models.base import DuplicateRow, transaction, utcnow
from app.models.rotations import DONE, OPEN, Rotation
from app.models.sites import MOVED, Site
from app.protocol import b64u, canonical

# Longer than the slowest attempt: one exchange at four addresses, and two pings.
LEASE = timedelta(seconds=150)
OVERDUE = timedelta(seconds=60)


def request_rotation(site: Site, *, by: Actor, config: Config, now: datetime) -> Rotation:
    """Request new keys for a site.

    Raises Forbidden, NotPaired, or Conflict while another rotation is open.
    """
    permissions.require(by, "keys")
    return _request(site, by, config, now, "", [])


def follow_move(site: Site, *, by: Actor, config: Config, now: datetime) -> Rotation:
    """Accept the site's new address and request new keys there.

    Raises: Forbidden, NotPaired, or Conflict if there is no move, if another site has that address,
    or while another rotation is open.
    """
    permissions.require(by, "keys")
    present = str(site.quarantine_evidence.get("now", ""))
    if site.quarantine != MOVED or not present:
        raise Conflict("This move was already decided. Reload the page.")
    home = urls.normalize_url(present)
    if Site.select().where(Site.url == home, Site.forgotten_at.is_null(), Site.id != site.id):
        raise Conflict("Another site already has this address. Remove that site first.")
    return _request(site, by, config, now, home, _endpoints_at(site, home))


def rotate_all_keys(*, by: Actor, config: Config, now: datetime) -> list[Rotation]:
    """Renew the dashboard's signing key and the keys of every paired site.

    Each site gets the new signing key with its rotation and then refuses the old one.

    Raises: Forbidden.
    """
    with transaction():
        present = permissions.recheck(by, "security")
        public = dashboard_identity.renew_signing_key(config)
        audit.record(SigningKeyRenewed(public=b64u(public)), present, now=now)
    rotations = []
    for site in Site.select().where(Site.is_connected()):
        try:
            rotations.append(_request(site, by, config, now, "", []))
        except Conflict:
            continue  # a rotation is already open
    return rotations


def recover_rotations(now: datetime) -> int:
    """Queue lost attempts again; return their number."""
    lost = Rotation.overdue(OPEN, now - OVERDUE)
    return queue.enqueue_rows("rotate_keys", (rotation.id for rotation in lost))


def _endpoints_at(site: Site, home: str) -> list[str]:
    """Return the endpoints for a move: those that the site named, if they are at that address."""
    named = site.quarantine_evidence.get("endpoints", [])
    fitting = [url for url in named if url.startswith((f"{home}/", home + "?"))]
    return [*fitting, *(url for url in candidates(home) if url not in fitting)][:4]


def _request(
    site: Site, by: Actor, config: Config, now: datetime, home: str, endpoints: list[str]
) -> Rotation:
    dashboard = dashboard_identity.load_dashboard(config)
    exchange = Exchange.new()
    op_id = str(uuid4())
    try:
        with transaction() as tx:
            by = permissions.recheck(by, "keys", site)
            site.refresh()
            if not site.is_paired:
                raise NotPaired("This site is not paired, so it has no keys to renew.")
            plan = _plan(site, op_id, exchange, home, b64u(dashboard.sign_public))
            rotation = Rotation.create(
                site=site,
                requested_by=by.name[:120],
                requested_at=now,
                op_id=op_id,
                plan=b64u(plan),
                signature=b64u(sign_plan(dashboard.key_for(site.sign_d), plan)),
                exchange_sealed=seal(config, exchange.private_bytes, op_id, "exchange"),
                home=home,
                endpoints=endpoints,
                next_attempt_at=now,
            )
            event = KeyRotationRequested(site_id=site.id, rotation_id=rotation.id, home=home)
            audit.record(event, by, now=now)
            tx.after_commit(queue.enqueue, "rotate_keys", rotation.id)
    except DuplicateRow as why:
        raise Conflict("The keys are already being renewed. Wait until this is finished.") from why
    return rotation


def _plan(site: Site, op_id: str, exchange: Exchange, home: str, newest: str) -> bytes:
    return canonical(
        {
            "v": 1,
            "do": OPERATION,
            "op_id": op_id,
            "site": site.uuid,
            "kid": site.key_id,
            "gen": generation_of(site.key_id) + 1,
            "e_d": b64u(exchange.public),
            "home": home or None,
            "sign_d": None if newest == site.sign_d else newest,
        }
    )


def run_rotation(
    rotation_id: int,
    *,
    config: Config,
    call: Call = site_client.call,
    now: Callable[[], datetime] = utcnow,
) -> str:
    """Renew the keys as far as possible; return the rotation's state, or 'busy'.

    It queues itself again while it is open. Safe to run twice at once and again after a crash.
    """
    rotation = Rotation.get_or_none(Rotation.id == rotation_id)
    if rotation is None:
        return "gone"
    began = now()
    if not rotation.lease(OPEN, began, began + LEASE):
        return "busy" if rotation.is_open else rotation.state
    attempt = RotationAttempt(rotation, rotation.site, config, call, now)
    try:
        state = attempt.run()
        if state == DONE:
            _catch_up(rotation.site_id, config, now())
        return state
    except SealBroken as broken:
        return attempt.wait(KEYS_UNREADABLE, {"why": str(broken)[:300]})


def _catch_up(site_id: int, config: Config, now: datetime) -> None:
    """Request another rotation if the signing key was renewed after this plan was signed."""
    site = Site.get_by_id(site_id)
    newest = b64u(dashboard_identity.load_dashboard(config).sign_public)
    if site.is_paired and site.sign_d not in ("", newest):
        _request(site, SYSTEM, config, now, "", [])
