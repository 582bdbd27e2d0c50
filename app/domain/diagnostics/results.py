"""Results of a connection test: its checks and their overall verdict."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

# Check.verdict
OK = "ok"
WARN = "warn"
BLOCKED = "blocked"
UNKNOWN = "unknown"
SKIPPED = "skipped"

# Diagnosis.verdict, beside BLOCKED and UNKNOWN
HEALTHY = "healthy"
ANSWERS = "answers"

# In the order of a call; the first blocked check is the blocker.
NAMES = (
    "dns",
    "tcp",
    "tls",
    "website",
    "redirect",
    "password",
    "challenge",
    "cache",
    "rest_index",
    "pretty",
    "plain",
    "ajax",
    "headers",
    "body",
    "output",
    "echo",
    "report",
    "clock",
)
ADDRESSES = ("pretty", "plain", "ajax")

# The only two findings that are proof; see docs/DECISIONS.md.
PROOF_PAIRED = ("echo", "echoed")
PROOF_UNPAIRED = "answers"


@dataclass(frozen=True)
class Check:
    """One check.

    `finding` is an ErrorCode or a finding of the diagnostics; the templates have its text. A
    skipped check names in `because` the check that prevented it.
    """

    name: str
    verdict: str
    finding: str
    evidence: dict[str, str | int] = field(default_factory=dict)
    because: str = ""


@dataclass(frozen=True)
class Diagnosis:
    """All checks in order. `requests` is the number of requests to the site."""

    url: str
    at: datetime
    is_paired: bool
    checks: tuple[Check, ...]
    requests: int

    @property
    def blocker(self) -> Check | None:
        """Return the first blocked check."""
        return next((check for check in self.checks if check.verdict == BLOCKED), None)

    @property
    def warnings(self) -> list[Check]:
        return [check for check in self.checks if check.verdict == WARN]

    @property
    def verdict(self) -> str:
        """Return healthy, answers, blocked or unknown.

        Healthy requires the signed call. Without pairing, SiteAgent's own refusal is the best
        possible result. What is neither proven nor blocked is unknown.
        """
        if self.blocker is not None:
            return BLOCKED
        if self.is_paired:
            return HEALTHY if self._has_echo else UNKNOWN
        return ANSWERS if self._was_refused_by_siteagent else UNKNOWN

    @property
    def is_clear(self) -> bool:
        """Whether it is proven that nothing blocks the connection."""
        return self.verdict in (HEALTHY, ANSWERS)

    @property
    def _has_echo(self) -> bool:
        return any((check.name, check.finding) == PROOF_PAIRED for check in self.checks)

    @property
    def _was_refused_by_siteagent(self) -> bool:
        return any(
            check.name in ADDRESSES and check.finding == PROOF_UNPAIRED and check.verdict == OK
            for check in self.checks
        )


def skipped(names: Iterable[str], because: str) -> list[Check]:
    """Return the checks that could not be made because of the one named."""
    return [Check(name, SKIPPED, "", because=because) for name in names]


def as_rows(checks: Iterable[Check]) -> list[dict[str, Any]]:
    """Return the checks as plain JSON values; evidence becomes pairs, which keep their order."""
    return [{**vars(check), "evidence": [*map(list, check.evidence.items())]} for check in checks]


def from_rows(rows: Iterable[dict[str, Any]]) -> tuple[Check, ...]:
    """Return the checks that `as_rows` converted."""
    return tuple(Check(**{**row, "evidence": dict(row["evidence"])}) for row in rows)
