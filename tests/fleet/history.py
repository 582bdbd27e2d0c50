"""The past month of the agency: new sites, updates by owners, and maintenance by the team."""

from __future__ import annotations

from datetime import timedelta

from app.domain.audit import verification
from app.domain.changes import auto_update_rules, execution
from app.domain.changes.rule_terms import RuleTerms
from app.domain.inventory import update_backlog
from app.domain.sites import clients, notes
from app.domain.sites.clients import Contact
from app.models.clients import SELF_APPROVAL
from app.models.clients import Client as ClientRow
from app.models.sites import Site
from app.models.visibility import EVERYTHING
from tests.fleet import agency, catalog
from tests.fleet.fleet import Fleet, Website

BEGINS_DAYS_AGO = 30
# Days before the end. At night some sites are synced and rules apply, and the next morning the
# team works on some of these sites.
NIGHTS = (24, 19, 14, 9, 3)
_VERIFIED = NIGHTS[::2]
_SYNCED_SHARE = 0.4
_WITH_NOTES = 0.3
# Larger fleets have a shorter history, because a thousand sites already take minutes.
_LARGE = 100
_MOST_IN_A_SESSION = 8
_MOST_OF_A_SITE = 2
# How updates end, and how often.
_PLAYS = (
    (("succeeded", ""), 88),
    (("rolled_back", "fatal_after"), 4),
    (("rolled_back", "probe_worse"), 2),
    (("failed", "version_wrong_after"), 2),
    (("lost", ""), 2),
    (("killed", ""), 2),
)


def plan_history(fleet: Fleet, websites: list[Website]) -> None:
    """Put the month on the timeline; `websites` are those that are paired."""
    timeline, moment = fleet.timeline, fleet.moment
    is_large = len(websites) > _LARGE
    timeline.at(moment(BEGINS_DAYS_AGO, 8, 30), _open_agency, fleet)
    for number, website in enumerate(websites):
        day, hour, minute = _joins(number, len(websites))
        timeline.at(moment(day, hour, minute), _join, fleet, website)
    timeline.at(moment(26, 9), _know_clients, fleet)
    timeline.at(moment(25, 10), _write_rules, fleet)
    for day in NIGHTS[-1:] if is_large else NIGHTS:
        timeline.at(moment(day, 0, 50), _sync_some, fleet, day)
        timeline.at(moment(day, 2, 15), lambda: auto_update_rules.propose_due(fleet.clock()))
        timeline.at(moment(day, 2, 20), _apply_rules, fleet)
        timeline.at(moment(day, 9, 30), _propose, fleet, day)
    for day in NIGHTS[-1:] if is_large else _VERIFIED:
        timeline.at(moment(day, 3, 5), lambda: verification.queue_due_verification(fleet.clock()))


def plan_backlog(fleet: Fleet) -> None:
    """Have the number of available updates stored every day, early in the morning."""
    for day in range(BEGINS_DAYS_AGO):
        fleet.timeline.at(fleet.moment(day, 0, 1), _store_backlog, fleet)


def _store_backlog(fleet: Fleet) -> None:
    update_backlog.store_today(fleet.clock())


def _joins(number: int, count: int) -> tuple[int, int, int]:
    """Add three quarters of the sites in the first days, the others one by one."""
    share = number / count
    day = 30 - int(share * 4) if share < 0.75 else 27 - int((share - 0.75) * 80)
    return day, 10 + number % 7, number * 13 % 60


def _open_agency(fleet: Fleet) -> None:
    fleet.logins.append(agency.set_up_owner(fleet.config, fleet.clock()))
    fleet.clock.advance(minutes=20)
    for name, email, role in (
        ("Tomás Rivera", "tomas@fernwood.example", "operator"),
        ("Ines Okafor", "ines@fernwood.example", "viewer"),
        ("Elena Marsh", "elena@fernwood.example", "manager"),
    ):
        fleet.logins.append(
            agency.invite(name, email, role, by=fleet.owner, config=fleet.config, now=fleet.clock())
        )
    agency.invite_with_factors(by=fleet.owner, config=fleet.config, now=fleet.clock())


def _join(fleet: Fleet, website: Website) -> None:
    site, dice = fleet.add(website), fleet.dice(f"notes:{website.name}")
    if dice.random() < _WITH_NOTES:
        text = dice.choice(catalog.SITE_NOTES)
        notes.set_site_notes(site, text, by=fleet.operator, now=fleet.clock())
    fleet.pair(site)


def _know_clients(fleet: Fleet) -> None:
    """Fill in contacts and notes of clients; two clients take part in approvals."""
    for number, client in enumerate(catalog.CLIENTS):
        row = ClientRow.find(client.name)
        if row is None:
            continue
        by, now = fleet.owner, fleet.clock()
        contact = Contact(client.contact, client.email, f"+44 20 7946 0{100 + 7 * number}")
        clients.set_contact(row, contact, by=by, now=now)
        if number % 3 == 0:
            text = catalog.CLIENT_NOTES[number // 3 % len(catalog.CLIENT_NOTES)]
            notes.set_client_notes(row, text, by=by, now=now)
        if client.approvals != SELF_APPROVAL:
            who = agency.invite(
                client.contact,
                client.email,
                "client",
                by=by,
                config=fleet.config,
                now=now,
                client=row,
            )
            fleet.logins.append(who)
            auto_update_rules.set_approval_mode(
                row, client.approvals, by=by, confirmed_at=now, now=now
            )
    _hire_for_some_clients(fleet)


def _hire_for_some_clients(fleet: Fleet) -> None:
    """Invite a freelancer who is limited to two clients."""
    some = ClientRow.listing(EVERYTHING)[:2]
    if some:
        about = {"by": fleet.owner, "config": fleet.config, "now": fleet.clock()}
        fleet.logins.append(
            agency.invite(
                "Jonas Weber", "jonas@weber.example", "operator", limited_to=some, **about
            )
        )


def _write_rules(fleet: Fleet) -> None:
    """Write two active rules, one confirmed by a second person, and one that ended."""
    now = fleet.clock()
    rules = []
    for name, tags, release_types, reason in (
        ("Patches at night", ("care plan",), ("patch",), "Part of every care plan"),
        ("Minor releases of shops", ("shop",), ("minor",), "Trial for two weeks"),
    ):
        terms = RuleTerms(
            name=name,
            permissions=("plugins",),
            release_types=release_types,
            client=None,
            site_ids=(),
            tags=tags,
            weekdays=tuple(range(7)),
            from_hour=2,
            to_hour=5,
            expires_at=now + timedelta(days=180),
            reason=reason,
        )
        rules.append(
            auto_update_rules.create_rule(terms, by=fleet.owner, confirmed_at=now, now=now)
        )
    auto_update_rules.confirm_rule(rules[0], by=fleet.operator, confirmed_at=now, now=now)
    fleet.timeline.at(fleet.moment(11, 16), _end_rule, fleet, rules[1])


def _end_rule(fleet: Fleet, rule: auto_update_rules.AutoUpdateRule) -> None:
    auto_update_rules.end_rule(rule, by=fleet.owner, now=fleet.clock())


def _apply_rules(fleet: Fleet) -> None:
    auto_update_rules.approve_due(fleet.config, fleet.clock())


def _sync_some(fleet: Fleet, day: int) -> None:
    """Sync a part of the sites; some owners have installed a few updates in wp-admin before."""
    for site in _synced(fleet, day):
        fake, dice = fleet.sites[site.id], fleet.dice(f"owner:{day}:{site.name}")
        if dice.random() < 0.45:
            fake.find_updates(fleet.clock())
            listed = [one["id"] for one in fake.report["updates"]["plugins"]]
            for ident in listed[: dice.randrange(1, 4)]:
                fake.install_in_wp_admin(ident)
        fleet.sync(site)


def _synced(fleet: Fleet, day: int) -> list[Site]:
    return [
        site
        for site in fleet.paired()
        if fleet.dice(f"synced:{day}:{site.name}").random() < _SYNCED_SHARE
    ]


# ---- the team ----


def _propose(fleet: Fleet, day: int) -> None:
    """Propose updates on some sites that were synced at night, as the operator."""
    dice = fleet.dice(f"proposals:{day}")
    synced = _synced(fleet, day)
    chosen = [
        (site, one)
        for site in dice.sample(synced, min(_MOST_IN_A_SESSION, -(-len(synced) // 3)))
        for one in fleet.possible(site)[: dice.randrange(1, _MOST_OF_A_SITE + 1)]
    ]
    if not chosen:
        return
    batch = fleet.propose(chosen, dice.choice(catalog.PROPOSED_BECAUSE))
    for change in batch:
        outcome, reason = dice.choices(
            [play for play, _ in _PLAYS], [weight for _, weight in _PLAYS]
        )[0]
        fleet.play(change, outcome, reason)
    now = fleet.clock()
    fleet.timeline.at(now + timedelta(minutes=25), fleet.decide, batch)
    fleet.timeline.at(now + timedelta(minutes=45), _reconcile, fleet)
    fleet.timeline.at(now + timedelta(minutes=46), _find_lost, fleet)
    fleet.timeline.at(now + timedelta(hours=5), fleet.check_failures, dice, catalog.LOOKED_INTO)


def _reconcile(fleet: Fleet) -> None:
    """Roll back the updates whose process was killed, as sites do at their next request."""
    for fake in fleet.sites.values():
        for op_id in list(fake.changes.running):
            fake.reconcile(op_id)


def _find_lost(fleet: Fleet) -> None:
    execution.recover_changes(fleet.clock())
