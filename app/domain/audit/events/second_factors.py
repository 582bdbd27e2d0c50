"""Second factors: added, removed, used and refused. Never a secret, a code or a key."""

from __future__ import annotations

from app.domain.audit.events.base import Event, Personal


class PasswordAccepted(Event):
    """A password was right, and Aura asks for, or asks to add, a second factor."""

    user_id: int


class SecondFactorRefused(Event):
    """A code or a passkey was refused. `name` is that of the passkey, if Aura knows it."""

    user_id: int | None
    reason: str
    name: Personal = ""
    outcome: str = "refused"


class SecondFactorAdded(Event):
    """A person added a factor: `factor` is "app" or "passkey", `name` is that of the passkey."""

    user_id: int
    factor: str
    name: Personal


class SecondFactorRemoved(Event):
    """A person removed a factor, as `SecondFactorAdded` describes it."""

    user_id: int
    factor: str
    name: Personal


class RecoveryCodesCreated(Event):
    """A person got new recovery codes; the former ones no longer work."""

    user_id: int


class RecoveryCodeUsed(Event):
    """A person used one recovery code up. `left` is how many still work."""

    user_id: int
    left: int


class SecondFactorsReset(Event):
    """All factors of `name` were removed, by an owner or by the operator of the server."""

    user_id: int
    name: Personal


class SecondFactorRuleChanged(Event):
    """An owner chose the roles that need a second factor."""

    roles: list[str]
    was: list[str]
