"""Simulated domain registries, and IANA's list of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from app.domain.uptime.registries import LIST_URL
from app.http.registry import RegistryFailed

COM = "https://rdap.registry.example/com"
UK = "https://rdap.registry.example/uk"


def iana_list() -> dict[str, Any]:
    """Return a list in IANA's format: two registries that are used, and enough others."""
    others = [[[f"x{number}"], [f"https://rdap.x{number}.example/"]] for number in range(120)]
    return {
        "version": "1.0",
        "publication": "2026-11-20T20:00:01Z",
        "services": [
            [["com", "net"], ["http://rdap.registry.example/com/", f"{COM}/"]],
            [["uk"], [f"{UK}/"]],
            *others,
        ],
    }


def domain(name: str, ends: str | None) -> dict[str, Any]:
    """Return a registry's answer about a domain, as RFC 9083 describes it."""
    events = [{"eventAction": "registration", "eventDate": "1999-05-03T04:00:00Z"}]
    if ends is not None:
        events.append({"eventAction": "expiration", "eventDate": ends})
    answer = {"objectClassName": "domain", "ldhName": name.upper(), "events": events}
    return {**answer, "rdapConformance": ["rdap_level_0"]}


@dataclass
class Registries:
    """Use `fetch` instead of the network; an answer that is a RegistryFailed is raised."""

    answers: dict[str, Any] = field(default_factory=dict)
    listed: Any = field(default_factory=iana_list)
    asked: list[str] = field(default_factory=list)

    def fetch(self, url: str, **_: object) -> dict[str, Any]:
        self.asked.append(url)
        answer = self.listed if url == LIST_URL else self.answers.get(url)
        if isinstance(answer, RegistryFailed):
            raise answer
        if answer is None:
            raise RegistryFailed("not_registered")
        return dict(answer)

    def end(self, url: str, ends: str | None) -> None:
        """Have the registry of the domain answer with this end."""
        self.answers[url] = domain(url.rpartition("/")[2], ends)
