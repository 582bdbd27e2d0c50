"""Check what people type about an account: name, address, role and password."""

from __future__ import annotations

import re

from app.domain.accounts import passwords
from app.models.accounts import CLIENT, ROLES
from app.models.clients import Client

MAX_NAME_CHARS = 120
MAX_EMAIL_CHARS = 254
_EMAIL = re.compile(r"[^@\s\x00-\x1f\x7f]+@[^@\s\x00-\x1f\x7f]+")


def clean_name(name: str) -> str:
    """Return the name without line breaks and repeated spaces."""
    return " ".join(name.split())


def identity_problems(name: str, email: str) -> dict[str, str]:
    """Return what is wrong with a name and an address, by field."""
    problems: dict[str, str] = {}
    if not name or not name.isprintable():
        problems["name"] = "Enter a name. It appears in the activity log."
    elif len(name) > MAX_NAME_CHARS:
        problems["name"] = f"At most {MAX_NAME_CHARS} characters."
    if len(email) > MAX_EMAIL_CHARS or not _EMAIL.fullmatch(email):
        problems["email"] = "Enter an e-mail address, for example ana@agency.example."
    return problems


def role_problems(role: str, client: Client | None) -> dict[str, str]:
    """Return what is wrong with a role; a client user needs a client."""
    if role not in ROLES:
        return {"role": "Choose a role."}
    if role == CLIENT and client is None:
        return {"client": "Choose the client whose sites they see."}
    return {}


def password_problems(
    password: str, again: str, name: str, email: str, *, field: str = "password"
) -> dict[str, str]:
    """Return why a new password, typed twice, is not accepted."""
    problem = passwords.password_problem(password, name=name, email=email)
    if problem:
        return {field: problem}
    return {} if password == again else {"again": "The two passwords do not match."}
