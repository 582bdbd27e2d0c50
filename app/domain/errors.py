"""Errors of the domain. app/views/errors.py turns them into pages."""

from __future__ import annotations


class AuraError(Exception):
    """A rule was violated. `message` is the text for the user."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Forbidden(AuraError):
    """The user has no permission for this."""

    def __init__(self, verb: str, message: str = "Your role does not allow this.") -> None:
        super().__init__(message)
        self.verb = verb


class ReauthenticationRequired(AuraError):
    """The person has to re-enter their password first.

    `refused` names what they sent for that and was wrong: "password", "code" or "passkey".
    """

    def __init__(self, message: str, refused: str = "") -> None:
        super().__init__(message)
        self.refused = refused


class IdentityRequired(ReauthenticationRequired):
    """The person has to prove their password and, if they have one, their second factor first."""


class NotFound(AuraError):
    """The object does not exist, or the user may not see it."""


class LinkNoLongerValid(AuraError):
    """A one-time link was used, has expired or was replaced."""


class Invalid(AuraError):
    """The input is invalid; `messages` maps each field to its problem."""

    def __init__(self, field: str, message: str, **others: str) -> None:
        super().__init__(message)
        self.messages: dict[str, str] = {field: message, **others}

    @classmethod
    def raise_for(cls, problems: dict[str, str]) -> None:
        """Raise Invalid for all fields at once, if any of them has a problem."""
        if problems:
            (field, message), *others = problems.items()
            raise cls(field, message, **dict(others))


class Conflict(AuraError):
    """The request is valid but not possible in the current state."""


class StaleState(Conflict):
    """Another request was faster, or the state changed after the page was loaded."""


class NotPaired(Conflict):
    """The site is not connected."""


class AlreadyPaired(Conflict):
    """The site is already connected; revoke access first."""


class TagsJoinRules(Conflict):
    """Auto-update rules would apply to the site that this user has not agreed to."""

    def __init__(self, rule_ids: tuple[int, ...]) -> None:
        super().__init__("An auto-update rule would apply to the site. Review it first.")
        self.rule_ids = rule_ids


class AuditLogUnreadable(AuraError):
    """The database could not return the audit log, so its state is unknown."""


class ChangesStopped(Conflict):
    """All changes are stopped. The reason is the agency's own, and clients read this text."""

    def __init__(self) -> None:
        super().__init__(
            "All updates are stopped. No update is approved until an owner or manager starts them"
            " again."
        )


class StaleChange(StaleState):
    """The change is no longer what this user was shown."""
