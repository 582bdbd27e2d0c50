"""The rest period: how old a release has to be before an auto-update rule installs it.

A release with a backdoor or a bug is usually withdrawn within days. Its age counts from when a site
of the fleet first listed it, by Aura's clock, or from WordPress.org's date if that is later. A
person may approve an update at any time, and may lift the rest of a release that fixes a known
vulnerability.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from app.domain.changes import candidates
from app.domain.changes.change_plan import ReleaseDates
from app.domain.inventory.release_sightings import KINDS
from app.domain.inventory.targets import Target
from app.domain.inventory.versions import MINOR, PATCH
from app.domain.vulnerabilities.slugs import slug_of
from app.models.agency import Agency
from app.models.auto_update_rules import AutoUpdateRule
from app.models.changes import Change
from app.models.releases import ReleaseRows, RestLift
from app.models.sites import Site
from app.models.wordpress_org import CLOSED as CLOSED_THERE
from app.models.wordpress_org import GONE

DEFAULT_HOURS = 48
DEFAULT_HOURS_MAJOR = 7 * 24
# Longer, and a rule would rather be ended.
MAX_HOURS = 90 * 24

# Added to what a site's owner requires, because the site decides by its own clock.
CLOCK_MARGIN = timedelta(minutes=5)

# Why a rule waits: values of RuleWait.code.
RESTS = "rests"
NOT_SEEN = "not_seen"
AUTO_UPDATE_DISABLED = "auto_update_disabled"
REQUIRED_BY_OWNER = "required_by_owner"
WITHDRAWN = "withdrawn"
CLOSED = "closed"
_REST_FIELDS = ("rest_hours", "rest_hours_major")


@dataclass(frozen=True)
class ReleaseAge:
    """What is known of the age of a release; None where it is not known.

    `released_at` is when WordPress.org last changed the version, `is_closed` says that it was taken
    out of the directory, and `lift` is a person's decision that rules need not wait for it.
    """

    first_seen_at: datetime | None = None
    released_at: datetime | None = None
    is_closed: bool = False
    lift: RestLift | None = None

    @property
    def counts_from(self) -> datetime | None:
        """Return the later of the two times, from which the age counts.

        Not known before it was first seen: WordPress.org may have the version for long, in other
        files.
        """
        if self.first_seen_at is None or self.released_at is None:
            return self.first_seen_at
        return max(self.first_seen_at, self.released_at)

    @property
    def counts_from_release(self) -> bool:
        """Whether the age counts from WordPress.org's date."""
        return self.released_at is not None and self.counts_from == self.released_at

    @property
    def dates(self) -> ReleaseDates:
        """Return what a plan says about the age."""
        return ReleaseDates(self.first_seen_at, self.released_at)

    def rests_until(self, hours: int) -> datetime | None:
        """Return until when it rests if it has to be this old; None if its age is not known."""
        since = self.counts_from
        return None if since is None else since + timedelta(hours=hours)


@dataclass(frozen=True)
class RestHours:
    """How old a release has to be, in hours: patch and minor releases, and all others."""

    small: int
    major: int

    def for_size(self, release_type: str) -> int:
        return self.small if release_type in (PATCH, MINOR) else self.major


@dataclass(frozen=True)
class RuleWait:
    """Why a rule does not install a release now. `until` is when it may, if that is known."""

    code: str
    until: datetime | None = None
    hours: int = 0


@dataclass
class ReleaseAges:
    """The ages of releases, each read once. Keep one no longer than a transaction or a run."""

    agency: RestHours
    _known: dict[tuple[str, str, str], ReleaseAge] = field(default_factory=dict)

    @classmethod
    def read(cls) -> ReleaseAges:
        return cls(agency_hours(Agency.read()))

    @classmethod
    def read_with(cls, kind: str, ident: str, version: str) -> ReleaseAges:
        """Read the age of one release along with what the agency has set, in one query."""
        age, agency = _read(kind, ident, version)
        return cls(agency_hours(agency or Agency()), {(kind, ident, version): age})

    def age_of(self, kind: str, ident: str, version: str) -> ReleaseAge:
        key = (kind, ident, version)
        if key not in self._known:
            self._known[key] = age_of(*key)
        return self._known[key]

    def why_rule_waits(
        self, rule: AutoUpdateRule, target: Target, now: datetime
    ) -> RuleWait | None:
        """Return why a rule may not install what is available of this target; None if it may."""
        version = target.available
        if version is None:
            return RuleWait(WITHDRAWN)
        if target.auto_update_disabled:
            return RuleWait(AUTO_UPDATE_DISABLED)
        if target.kind not in KINDS:
            return None
        age = self.age_of(target.kind, target.ident, version)
        if age.is_closed:
            return RuleWait(CLOSED)
        hours = rule_hours_of(rule, self.agency).for_size(target.release_type_to(version))
        rest = _rest_of(age, hours, now)
        return rest or _rest_by_owner(target, now)


def age_of(kind: str, ident: str, version: str) -> ReleaseAge:
    """Return what is known of the age of a release."""
    return _read(kind, ident, version)[0] if kind in KINDS else ReleaseAge()


def _read(kind: str, ident: str, version: str) -> tuple[ReleaseAge, Agency | None]:
    rows = ReleaseRows.read(kind, ident, version, slug_of(kind, ident))
    entry, sighting = rows.entry, rows.sighting
    age = ReleaseAge(
        first_seen_at=sighting.first_seen_at if sighting else None,
        released_at=entry.last_updated if entry and entry.version == version else None,
        is_closed=entry is not None and entry.state in (CLOSED_THERE, GONE),
        lift=rows.lift,
    )
    return age, rows.agency


def why_change_waits(
    change: Change, rule: AutoUpdateRule, site: Site, now: datetime
) -> RuleWait | None:
    """Return why a rule may not approve a change now; None if it may.

    A release that the site no longer lists was withdrawn, or the site found another one.
    """
    for candidate in candidates.candidates_on_site(site, now):
        if candidate.is_named(change.kind, change.ident, change.to_version):
            ages = ReleaseAges.read_with(change.kind, change.ident, change.to_version)
            return ages.why_rule_waits(rule, candidate.target, now)
    return RuleWait(WITHDRAWN)


def agency_hours(agency: Agency) -> RestHours:
    """Return how long releases rest where a rule says nothing else."""
    return _hours(agency, RestHours(DEFAULT_HOURS, DEFAULT_HOURS_MAJOR))


def rule_hours_of(rule: AutoUpdateRule, agency: RestHours) -> RestHours:
    """Return how long releases rest for a rule."""
    return _hours(rule, agency)


def _hours(row: Agency | AutoUpdateRule, otherwise: RestHours) -> RestHours:
    small, major = row.rest_hours, row.rest_hours_major
    return RestHours(
        otherwise.small if small is None else small, otherwise.major if major is None else major
    )


def problems_in(hours: int | None, hours_major: int | None) -> dict[str, str]:
    """Return a message for each field whose hours are not valid; None is valid."""
    return {
        name: f"Enter 0 to {MAX_HOURS} hours."
        for name, value in zip(_REST_FIELDS, (hours, hours_major), strict=True)
        if value is not None and not 0 <= value <= MAX_HOURS
    }


def _rest_of(age: ReleaseAge, hours: int, now: datetime) -> RuleWait | None:
    if age.lift is not None or hours == 0:
        return None
    until = age.rests_until(hours)
    if until is None:
        return RuleWait(NOT_SEEN, hours=hours)
    return RuleWait(RESTS, until, hours) if now < until else None


def _rest_by_owner(target: Target, now: datetime) -> RuleWait | None:
    """Return what the owner of the site requires, counted from when the site saw the release.

    The site enforces it, no matter who approves. A decision in Aura does not shorten it.
    """
    if not target.min_age_hours:
        return None
    if target.known_since is None:
        return RuleWait(REQUIRED_BY_OWNER, hours=target.min_age_hours)
    until = target.known_since + timedelta(hours=target.min_age_hours) + CLOCK_MARGIN
    return RuleWait(REQUIRED_BY_OWNER, until, target.min_age_hours) if now < until else None
