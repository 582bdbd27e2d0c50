"""Run the connection test against a hostile site and read its verdicts."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any

from app.config import Config
from app.domain.diagnostics.examine import examine
from app.domain.diagnostics.results import (
    Diagnosis,
)
from app.http import site_client
from tests.support.hostile.server import Behaviour, HostileServer
from tests.support.hostile.site import channel
from tests.support.hostile.wordpress import (
    ROUTES,
)


def diagnosed(
    behaviour: Behaviour, config: Config, *, paired: bool, path: str = ROUTES[0], **way: Any
) -> Diagnosis:
    """Run the connection test against a site with this behavior."""
    with HostileServer(behaviour) as server:
        return diagnosed_at(server.url, config, paired=paired, path=path, **way)


def diagnosed_at(
    url: str, config: Config, *, paired: bool, path: str = ROUTES[0], **way: Any
) -> Diagnosis:
    found, _ = examine(
        url,
        channel=replace(channel(url), endpoint=url + path) if paired else None,
        by="Ana",
        config=config,
        call=functools.partial(site_client.call, **way),
        look=functools.partial(site_client.probe, **way),
    )
    return found


def verdict_of(found: Diagnosis, name: str) -> tuple[str, str]:
    one = next(one for one in found.checks if one.name == name)
    return one.verdict, one.finding


def evidence_of(found: Diagnosis, name: str) -> dict[str, str | int]:
    return next(one for one in found.checks if one.name == name).evidence


def blocker_of(found: Diagnosis) -> tuple[str, str]:
    assert found.blocker is not None, found.checks
    return found.blocker.name, found.blocker.finding


#
# The first pair is the blocker of a paired site, the second of one that is not; None: what
# strangers are answered does not show it.
