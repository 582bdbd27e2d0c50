"""Sites, their clients, syncs, and calls to them."""

from __future__ import annotations

from dataclasses import field

from app.domain.audit.events.base import Event


class SiteAdded(Event):
    name: str
    url: str
    client: str


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


class SiteRemoved(Event):
    name: str
    url: str


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


class TagsChanged(Event):
    """The tags of a site were changed.

    `brings` names the auto-update rules that cover the site from now on, by number and name. The
    person who set the tags approved that as well.
    """

    added: str
    removed: str
    brings: str


class SiteNotesChanged(Event):
    """The agency's notes about a site were replaced, by a text of `length` characters.

    The text is not in the log, because the client may read entries about its sites.
    """

    length: int


class UptimeSettingsChanged(Event):
    """How often Aura checks the front page; 0 is never. `phrase` must be on it, unless empty."""

    every_minutes: int
    phrase: str


class SitePageAdded(Event):
    """A page must still work after each update; the other facts are what must be on it."""

    path: str
    phrase: str
    selector: str
    form_action: str
    status: int
    no_notice: bool
    no_console_error: bool


class SitePageChanged(Event):
    """A page that must still work was changed; its address was `path_before`."""

    path_before: str
    path: str
    phrase: str
    selector: str
    form_action: str
    status: int
    no_notice: bool
    no_console_error: bool


class SitePageRemoved(Event):
    """A page need no longer work after updates."""

    path: str


class PageLookRequested(Event):
    """A person had Aura look at the pages of a site."""


# ---- clients and their reports ----


class ClientReportIssued(Event):
    """A client report was created; `digest` covers everything in it."""

    client: str
    first_day: str
    last_day: str
    form: str
    digest: str


class ClientRenamed(Event):
    name_before: str
    name: str


class ClientContactChanged(Event):
    """The contact of a client was changed.

    `fields` names what was changed and not its content: the contact is a person without an
    account, whose data is kept in one place only.
    """

    client: str
    fields: str


class ClientNotesChanged(Event):
    """The agency's notes about a client were replaced, by a text of `length` characters.

    The text is not in the log, because the client may read entries about itself.
    """

    client: str
    length: int


class ClientsMerged(Event):
    """The client `merged` was merged into `client`, with its sites and users.

    `brings` names the auto-update rules that cover these sites from now on.
    """

    merged: str
    client: str
    sites: str
    people: int
    brings: str


# ---- syncs ----


class SyncRequested(Event):
    sync_id: int


class SyncFailed(Event):
    sync_id: int
    error_code: str
    outcome: str = "failed"


class ReportReceived(Event):
    digest: str
    components: int
    available_updates: int
    dropped_fields: int


class VersionRestored(Event):
    """An administrator of the site restored a former version in wp-admin, as its log says."""

    kind: str
    name: str
    from_version: str
    to_version: str
    outcome: str


class ReportRefused(Event):
    field: str
    why: str
    outcome: str = "refused"
