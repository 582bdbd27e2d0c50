"""Why the domain says no. Turned into pages in one place, never caught on the way there."""

from __future__ import annotations


class AuraError(Exception):
    """A rule was not met. `message` is written for the person who asked."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Forbidden(AuraError):
    """The person may not do that."""

    def __init__(self, verb: str, message: str = "Your role does not allow this.") -> None:
        super().__init__(message)
        self.verb = verb


class ReauthenticationRequired(AuraError):
    """The person has to re-enter their password first."""


class NotFound(AuraError):
    """There is no such thing, or it is not theirs to know of."""


class LinkNoLongerValid(AuraError):
    """A one-time link was used, is too old, or was replaced."""


class Invalid(AuraError):
    """Something typed cannot be used; `messages` says for each field what and why."""

    def __init__(self, field: str, message: str, **others: str) -> None:
        super().__init__(message)
        self.messages: dict[str, str] = {field: message, **others}


class Conflict(AuraError):
    """Right in itself, but not now."""


class StaleState(Conflict):
    """Somebody else was faster, or the thing moved on since the page was drawn."""


class NotPaired(Conflict):
    """The site has no connection that this could use."""


class AlreadyPaired(Conflict):
    """The site has a connection already; revoke it first."""


class TagsJoinRules(Conflict):
    """The site would come under standing approvals that this person has not agreed to."""

    def __init__(self, policy_ids: tuple[int, ...]) -> None:
        super().__init__("An auto-update rule would apply to the site. Review it first.")
        self.policy_ids = policy_ids


class AuditLogUnreadable(AuraError):
    """The database did not hand out the trail: nothing is known of it."""


class StaleChange(StaleState):
    """The change is not, or not any more, what this person was shown."""
