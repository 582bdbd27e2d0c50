"""Users, their sessions, and failed sign-ins.

Users change only by conditional UPDATEs, which name their conditions and report success.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from peewee import AutoField, CharField, ForeignKeyField, IntegerField, fn

from app.models.agency import Agency
from app.models.base import BaseModel, JsonField, UtcField
from app.models.change_stops import ChangeStop
from app.models.visibility import Visibility

# User.role
OWNER = "owner"
# Runs the agency's day, and not the dashboard itself.
MANAGER = "manager"
OPERATOR = "operator"
VIEWER = "viewer"
# A client user, who sees only that client's sites.
CLIENT = "client"
ROLES = (OWNER, MANAGER, OPERATOR, VIEWER, CLIENT)

# User.theme
SYSTEM_THEME = "system"
THEMES = (SYSTEM_THEME, "light", "dark")
# User.time_zone, until a person chooses another one
UTC_ZONE = "UTC"

# User.password_hash of an invited user. No hash looks like this, so no password matches.
NO_PASSWORD = "!"  # noqa: S105 - the absence of one
# The same for a user who signs in at the OpenID provider instead.
ONLY_AT_PROVIDER = "!provider"
WITHOUT_PASSWORD = (NO_PASSWORD, ONLY_AT_PROVIDER)


# User.name of an erased user. The address then has no @, so it cannot sign in.
ERASED = "[erased]"


class User(BaseModel):
    """A user account.

    `session_epoch` grows when all sessions and links of this user have to end.
    """

    id = AutoField()
    name = CharField(max_length=120)
    email = CharField(max_length=254, unique=True)
    password_hash = CharField(max_length=255)
    role = CharField(max_length=16)
    # The client of a client user. No foreign key, because sites import this module.
    client_id = IntegerField(null=True)
    # The ids of the only clients that a person of the agency sees, or None for everything.
    limited_to = JsonField(null=True)
    session_epoch = IntegerField(default=1)
    created_at = UtcField()
    disabled_at = UtcField(null=True)
    theme = CharField(max_length=8, default=SYSTEM_THEME)
    time_zone = CharField(max_length=64, default=UTC_ZONE)

    class Meta:
        # `user` is a reserved word in PostgreSQL.
        table_name = "users"

    @property
    def is_invited(self) -> bool:
        """Whether this person has never signed in, and has still to choose a password."""
        return self.password_hash == NO_PASSWORD

    @property
    def is_disabled(self) -> bool:
        return self.disabled_at is not None

    def end_sessions(self) -> None:
        """End all sessions and links of this user."""
        self.update_if(session_epoch=User.session_epoch + 1)

    def set_password(self, password_hash: str, *, epoch: int) -> bool:
        """Set a new password and start a new epoch; return False if `epoch` is outdated."""
        return self.update_if(
            User.session_epoch == epoch,
            User.disabled_at.is_null(),
            password_hash=password_hash,
            session_epoch=epoch + 1,
        )

    def set_preferences(self, theme: str, time_zone: str) -> bool:
        """Set the theme and the time zone; return False if both are set already."""
        return self.update_if(
            (User.theme != theme) | (User.time_zone != time_zone), theme=theme, time_zone=time_zone
        )

    def join_by_provider(self) -> None:
        """Record that an invited person signed in without choosing a password."""
        self.update_if(User.password_hash == NO_PASSWORD, password_hash=ONLY_AT_PROVIDER)

    def rehash(self, password_hash: str, *, instead_of: str) -> bool:
        """Store the same password with a stronger hash, unless it changed meanwhile."""
        return self.update_if(User.password_hash == instead_of, password_hash=password_hash)

    def disable(self, now: datetime) -> bool:
        """Disable this user; return False if they are disabled, or are the last owner."""
        return self.update_if(
            User.disabled_at.is_null(),
            (User.role != OWNER) | fn.EXISTS(self._other_owner()),
            disabled_at=now,
            session_epoch=User.session_epoch + 1,
        )

    def limit_to(self, client_ids: Collection[int] | None) -> None:
        """Let this person see only these clients, or everything with None."""
        value = None if client_ids is None else sorted(client_ids)
        User.update(limited_to=value).where(User.id == self.id).execute()
        self.refresh()

    def take_role(self, role: str, client_id: int | None) -> bool:
        """Change the role; return False if it is the same, if disabled, or for the last owner."""
        return self.update_if(
            User.disabled_at.is_null(),
            (User.role != role) | (fn.COALESCE(User.client_id, 0) != (client_id or 0)),
            (User.role != OWNER) | (role == OWNER) | fn.EXISTS(self._other_owner()),
            role=role,
            client_id=client_id,
            session_epoch=User.session_epoch + 1,
        )

    def enable(self) -> bool:
        """Enable the account; return False if it is not disabled, or was erased."""
        is_known = User.email != f"erased-{self.id}"
        return self.update_if(User.disabled_at.is_null(False), is_known, disabled_at=None)

    def erase(self) -> bool:
        """Erase the name and address of this user; return False while they may sign in."""
        return self.update_if(
            User.disabled_at.is_null(False),
            name=ERASED,
            email=f"erased-{self.id}",
            password_hash=NO_PASSWORD,
            session_epoch=User.session_epoch + 1,
        )

    @property
    def is_erased(self) -> bool:
        return self.email == f"erased-{self.id}"

    def _other_owner(self) -> Any:
        """Return another owner who may sign in and has a password."""
        other = User.alias()
        return other.select().where(
            other.role == OWNER,
            other.id != self.id,
            other.disabled_at.is_null(),
            # Or turning single sign-on off could leave no one who can sign in.
            other.password_hash.not_in(WITHOUT_PASSWORD),
        )

    @classmethod
    def any_exists(cls) -> bool:
        return cls.select().exists()

    @classmethod
    def has_client_user(cls, client_id: int) -> bool:
        """Whether a user of this client could decide anything."""
        query = cls.select().where(
            cls.role == CLIENT,
            cls.client_id == client_id,
            cls.disabled_at.is_null(),
            cls.password_hash != NO_PASSWORD,
        )
        return query.exists()

    @classmethod
    def find_by_email(cls, email: str) -> User | None:
        return cls.get_or_none(cls.email == email)

    @classmethod
    def listing(cls, visible: Visibility) -> list[User]:
        """Return visible active users first, then by name."""
        query = cls.select().where(cls.is_visible(visible))
        return list(query.order_by(cls.disabled_at.is_null(False), fn.LOWER(cls.name)))

    @classmethod
    def is_visible(cls, visible: Visibility) -> Any:
        """Return the SQL condition that a user is of the agency, or of a visible client."""
        return cls.client_id.is_null() | visible.in_sql(cls.client_id)

    @classmethod
    def replace_client(cls, client_id: int, into: int) -> int:
        """Let the people of a client, and those limited to it, see another one; count them."""
        count: int = cls.update(client_id=into).where(cls.client_id == client_id).execute()
        for user in cls.select().where(cls.limited_to.is_null(False)):
            if client_id in user.limited_to:
                user.limit_to({*user.limited_to, into} - {client_id})
                count += 1
        return count


class UserRow(BaseModel):
    """A row about one user, in its column `user`."""

    @classmethod
    def forget(cls, user_id: int) -> None:
        """Delete all rows about this user."""
        cls.delete().where(cls.columns()["user"] == user_id).execute()


class UserSession(BaseModel):
    """A session of a user in one browser.

    Only the hash of its secret is stored, so a reader of the database cannot use it. `agency` and
    `stop` are what every page needs: the settings, or None before an owner has set anything, and
    the stop of all changes that lasts. `open_sessions.session_of` reads them.
    """

    agency: Agency | None = None
    stop: ChangeStop | None = None

    id = AutoField()
    token_hash = CharField(max_length=64, unique=True)
    user = ForeignKeyField(User, backref="sessions", on_delete="CASCADE")
    user_id: int
    created_at = UtcField()
    last_seen_at = UtcField()
    # When the password was typed, and when also the second factor was proven, if there is one.
    confirmed_at = UtcField()
    verified_at = UtcField(null=True)
    ended_at = UtcField(null=True)
    ip = CharField(max_length=45)
    agent = CharField(max_length=200)

    def end(self, now: datetime) -> bool:
        """End the session; return False if it has already ended."""
        return self.update_if(UserSession.ended_at.is_null(), ended_at=now)

    def confirm(self, now: datetime) -> bool:
        """Record that the user confirmed the password; return False if the session has ended."""
        return self.update_if(UserSession.ended_at.is_null(), confirmed_at=now)

    def verify(self, now: datetime) -> bool:
        """Record that the user proved the password and, if there is one, the second factor.

        Return False if the session has ended.
        """
        return self.update_if(UserSession.ended_at.is_null(), confirmed_at=now, verified_at=now)

    def confirm_without_factor(self, now: datetime) -> bool:
        """Record that a session began with as much as a password, and no second factor of Aura.

        Return False if the session has ended.
        """
        return self.update_if(UserSession.ended_at.is_null(), confirmed_at=now, verified_at=None)

    def saw(self, now: datetime) -> None:
        """Record activity in the session, unless it has ended meanwhile."""
        query = UserSession.update(last_seen_at=now)
        query.where(UserSession.id == self.id, UserSession.ended_at.is_null()).execute()

    @classmethod
    def open_of(
        cls, user_id: int, *, created_after: datetime, seen_after: datetime
    ) -> list[UserSession]:
        """Return one person's open sessions, the one seen last first."""
        query = cls.select().where(
            cls.user == user_id,
            cls.ended_at.is_null(),
            cls.created_at > created_after,
            cls.last_seen_at > seen_after,
        )
        return list(query.order_by(cls.last_seen_at.desc(), cls.id.desc()))

    @classmethod
    def has_any(cls, user_id: int) -> bool:
        """Whether this person has had a session in the time that sessions are kept."""
        return cls.select().where(cls.user == user_id).exists()

    @classmethod
    def count_open(cls, *, created_after: datetime, seen_after: datetime) -> int:
        """Return the number of open sessions of all users."""
        is_open = cls.ended_at.is_null() & User.disabled_at.is_null()
        is_used = (cls.created_at > created_after) & (cls.last_seen_at > seen_after)
        count: int = cls.select().join(User).where(is_open, is_used).count()
        return count

    @classmethod
    def last_seen(cls) -> dict[int, datetime]:
        """Return the last activity by user id."""
        rows: Any = cls.select(cls.user, fn.MAX(cls.last_seen_at)).group_by(cls.user).tuples()
        return dict(rows)

    @classmethod
    def forget_older(cls, before: datetime) -> int:
        """Delete sessions that cannot have been used since that time; return how many."""
        return cls.delete().where(cls.last_seen_at < before).execute()


class LoginFailure(BaseModel):
    """A sign-in attempt that has not succeeded.

    The subject is a keyed hash, so this table is no list of typed addresses.
    """

    id = AutoField()
    subject_hash = CharField(max_length=64, index=True)
    ip = CharField(max_length=45, index=True)
    at = UtcField(index=True)

    @classmethod
    def of_subject(cls, subject_hash: str, since: datetime) -> tuple[int, datetime | None]:
        """Return the number of failures since then, and the time of the last one."""
        return cls._count(cls.subject_hash == subject_hash, since)

    @classmethod
    def of_ip(cls, ip: str, since: datetime) -> tuple[int, datetime | None]:
        return cls._count(cls.ip == ip, since)

    @classmethod
    def _count(cls, which: Any, since: datetime) -> tuple[int, datetime | None]:
        query = cls.select(fn.COUNT(cls.id), fn.MAX(cls.at)).where(which, cls.at > since)
        return query.scalar(as_tuple=True)

    @classmethod
    def forget_subject(cls, subject_hash: str) -> None:
        cls.delete().where(cls.subject_hash == subject_hash).execute()

    @classmethod
    def forget_older(cls, before: datetime) -> None:
        cls.delete().where(cls.at <= before).execute()
