"""What of all data a person may see, as conditions of queries.

Each query behind a page takes a `Visibility`, so that it neither lists nor counts more.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from peewee import SQL


@dataclass(frozen=True)
class Visibility:
    """The clients whose sites and data a person sees.

    `client_ids` is None for everything, including sites without a client. With `only_requested`,
    they see no updates but those that were approved, or whose approval was requested, as client
    users do.
    """

    client_ids: frozenset[int] | None = None
    only_requested: bool = False

    @classmethod
    def of_clients(cls, client_ids: Iterable[int]) -> Visibility:
        return cls(frozenset(client_ids))

    @property
    def is_everything(self) -> bool:
        return self.client_ids is None

    def has(self, client_id: int | None) -> bool:
        """Whether data of this client is visible; None stands for sites without a client."""
        return self.client_ids is None or client_id in self.client_ids

    def has_clients(self, client_ids: Iterable[int]) -> bool:
        """Whether data of all these clients is visible."""
        return self.client_ids is None or self.client_ids.issuperset(client_ids)

    def includes(self, other: Visibility) -> bool:
        """Whether everything that is visible with `other` is visible with this one."""
        if self.client_ids is None or other.client_ids is None:
            return self.client_ids is None
        return self.client_ids >= other.client_ids

    def in_sql(self, client_id: Any) -> Any:
        """Return `has` as an SQL condition about a column with the id of a client."""
        if self.client_ids is None:
            return SQL("1 = 1")
        return client_id.in_(sorted(self.client_ids))

    def has_update(self, change: Any) -> bool:
        """Whether an update of a visible site is visible, and not only reviewed by the agency."""
        return not self.only_requested or change.requested_at is not None or change.how != ""

    def has_update_in_sql(self, change: Any) -> Any:
        """Return `has_update` as an SQL condition about the model of changes, or an alias of it."""
        if not self.only_requested:
            return SQL("1 = 1")
        return change.requested_at.is_null(False) | (change.how != "")


EVERYTHING = Visibility()
