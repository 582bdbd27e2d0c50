"""What a client's page shows besides its sites, read in one query."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from app.models.accounts import User
from app.models.clients import Client
from app.models.sites import Site
from app.models.uptime import UptimeSpan
from app.models.uptime_days import DaySeconds, days_column, read_days


@dataclass(frozen=True)
class ClientData:
    """The users of a client, active ones first, then by name; and the days of its sites."""

    users: Sequence[User]
    days: Sequence[DaySeconds]

    @classmethod
    def of_client(cls, client_id: int, first: date, last: date) -> ClientData:
        """Return the users, and the days from `first` to `last` of sites that were not removed."""
        is_here = (Site.client == Client.id) & Site.forgotten_at.is_null()
        of_sites = UptimeSpan.site.in_(Site.select(Site.id).where(is_here))
        row: Any = (
            Client.select(
                User.nested(User.client_id == Client.id).alias("users"),
                days_column(of_sites, first, last).alias("days"),
            )
            .where(Client.id == client_id)
            .get()
        )
        users = sorted(
            User.read_nested(row.users), key=lambda user: (user.is_disabled, user.name.lower())
        )
        return cls(users, read_days(row.days))
