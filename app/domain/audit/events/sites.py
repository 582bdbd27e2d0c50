"""Sites, their tags, and calls to them."""

from __future__ import annotations

from dataclasses import dataclass, field

from app.domain.audit.events.base import Event


@dataclass(frozen=True, kw_only=True)
class SiteAdded(Event):
    name: str
    url: str
    client: str


@dataclass(frozen=True, kw_only=True)
class SiteEdited(Event):
    """A site's name or client was changed.

    `brings` names the auto-update rules that cover it from now on. The person who moved the site to
    that client approved that as well.
    """

    name_before: str
    name: str
    client_before: str
    client: str
    brings: str


@dataclass(frozen=True, kw_only=True)
class SiteRemoved(Event):
    name: str
    url: str


@dataclass(frozen=True, kw_only=True)
class SiteCalled(Event):
    """A call to a site.

    `outcome` is 'ok' or an error code. `nonces` are the nonces of its requests, as in the site's
    own entries. `head_n` and `head_hash` are the newest entry of the site's log, from its answer.
    """

    op: str
    outcome: str
    elapsed_ms: int
    nonces: list[str] = field(default_factory=list)
    head_n: int = 0
    head_hash: str = ""


@dataclass(frozen=True, kw_only=True)
class TagsChanged(Event):
    """The tags of a site were changed.

    `brings` names the auto-update rules that cover the site from now on, by number and name. The
    person who set the tags approved that as well.
    """

    added: str
    removed: str
    brings: str
