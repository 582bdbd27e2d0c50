"""What the fleet has seen of one version: how its updates ended, and with which bytes.

Each number can be counted again from the audit log: the entries `change_ended` and
`change_broke_later` of this version.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from app.domain.changes import outcomes
from app.models import change_results
from app.models.changes import BAD_ENDS, ROLLED_BACK, SUCCEEDED, Change
from app.models.visibility import Visibility


@dataclass(frozen=True)
class FleetExperience:
    """How the updates to one version ended on visible sites.

    One that broke its site after a success has failed. `packages` is how many different packages
    the successful ones named, and `first_at` is when the first of them ended.
    """

    succeeded: int = 0
    rolled_back: int = 0
    failed: int = 0
    packages: int = 0
    unnamed: int = 0
    first_at: datetime | None = None

    @property
    def results(self) -> int:
        return self.succeeded + self.rolled_back + self.failed

    @property
    def has_identical_bytes(self) -> bool:
        """Whether all successful updates named their package, and it was the same one."""
        return self.succeeded > 0 and self.packages == 1 and not self.unnamed


def fleet_experience(kind: str, ident: str, version: str, visible: Visibility) -> FleetExperience:
    """Return what visible sites have seen of this version: one query."""
    return sum_up(change_results.changes_to(kind, ident, version, visible))


def sum_up(changes: Sequence[Change]) -> FleetExperience:
    """Return what these changes show together; those without a result do not count."""
    ended = [one for one in changes if one.state in (SUCCEEDED, *BAD_ENDS)]
    good = [
        one
        for one in ended
        if one.state == SUCCEEDED and one.outcome_reason != outcomes.BROKE_LATER
    ]
    hashes = [one.evidence.get("package_sha256", "") for one in good]
    rolled_back = sum(one.state == ROLLED_BACK for one in ended)
    return FleetExperience(
        succeeded=len(good),
        rolled_back=rolled_back,
        failed=len(ended) - len(good) - rolled_back,
        packages=len({one for one in hashes if one}),
        unnamed=sum(not one for one in hashes),
        first_at=min((one.ended_at for one in good if one.ended_at), default=None),
    )
