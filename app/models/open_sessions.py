"""The session of a request with what every page needs, in one query."""

from __future__ import annotations

from datetime import date
from typing import Any

from peewee import JOIN

from app.models.accounts import User, UserSession
from app.models.agency import Agency
from app.models.change_stops import ChangeStop
from app.models.composed import composed_once
from app.models.freezes import Freeze
from app.models.statements import given


def session_of(token_hash: str, day: date) -> tuple[UserSession, list[Freeze]] | None:
    """Return the session with this secret, ended or not, and the freezes that last until `day`.

    None if there is no such session.
    """
    session: Any = _with_everything(token_hash=token_hash, last_day=day).first()
    return None if session is None else (session, Freeze.read_nested(session.freezes))


@composed_once
def _with_everything() -> Any:
    freezes = Freeze.not_over_nested(given(Freeze.last_day)).alias("freezes")
    query = UserSession.select(UserSession, User, Agency, ChangeStop, freezes).join(User)
    query = query.join_from(
        UserSession, Agency, JOIN.LEFT_OUTER, on=Agency.is_the_row(), attr="agency"
    )
    query = query.join_from(
        UserSession, ChangeStop, JOIN.LEFT_OUTER, on=ChangeStop.is_current(), attr="stop"
    )
    return query.where(UserSession.token_hash == given(UserSession.token_hash)).limit(1)
