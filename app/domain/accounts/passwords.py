"""What a password must be, and how it is kept: argon2id, with the parameters of RFC 9106."""

from __future__ import annotations

import unicodedata

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError

from app.models.accounts import NO_PASSWORD

MIN_CHARS = 12
# Longer than any passphrase, short enough that hashing it costs nothing extra.
MAX_CHARS = 200
_MIN_DIFFERENT_CHARS = 5
_MIN_WORD_CHARS = 3

_hasher = PasswordHasher()
# Checked when there is nothing to check against, so that an address nobody has takes
# as long as one somebody has. Its password was random and was never kept; a test
# fails when the parameters above are no longer those of a new hash.
DUMMY_HASH = (
    "$argon2id$v=19$m=65536,t=3,p=4"
    "$rgWH4AmHvqhYuqkWMDlGaw$E17ISRsh8yPEgAD/yw1Pe3OyZiPHdYdvgHLsQ942sxs"
)


def hash_password(password: str) -> str:
    """Hash a password that `problem_with` found nothing wrong with."""
    if len(password) > MAX_CHARS:
        raise ValueError("A password is checked with problem_with before it is hashed.")
    return _hasher.hash(_normalize(password))


def verify_password(stored: str | None, password: str) -> bool:
    """Whether `password` made the hash; takes the same time when there is no hash."""
    is_real = stored is not None and stored != NO_PASSWORD
    # Never normalized when too long: with many combining marks that takes seconds and holds
    # up every other request of the process.
    is_possible = len(password) <= MAX_CHARS
    try:
        typed = _normalize(password) if is_possible else ""
        _hasher.verify(stored if stored and is_real else DUMMY_HASH, typed)
    except (VerifyMismatchError, InvalidHashError):
        return False
    return is_real and is_possible


def is_outdated(stored: str) -> bool:
    """Whether a hash made today would be stronger."""
    return _hasher.check_needs_rehash(stored)


def password_problem(password: str, *, name: str, email: str) -> str:
    """Why nobody should use this password, in words; empty if somebody may.

    Length is what counts, so there are no rules about kinds of characters.
    """
    # Before and after normalization, which is slow for long texts and can lengthen short ones.
    too_long = f"At most {MAX_CHARS} characters."
    if len(password) > MAX_CHARS:
        return too_long
    text = _normalize(password)
    if len(text) < MIN_CHARS:
        return (
            f"At least {MIN_CHARS} characters. Four or five unrelated words are easy to remember."
        )
    if len(text) > MAX_CHARS:
        return too_long
    if len(set(text)) < _MIN_DIFFERENT_CHARS:
        return "Repeated characters are easy to guess. Choose another password."
    rest = text.casefold()
    for word in {"aura", "password", *name.casefold().split(), *email.casefold().split("@")}:
        if len(word) >= _MIN_WORD_CHARS:
            rest = rest.replace(word, "")
    if len(rest) < MIN_CHARS // 2:
        return "Names and addresses are easy to guess. Choose another password."
    return ""


def _normalize(password: str) -> str:
    """Normalize characters, because another keyboard may send other bytes for the same one."""
    return unicodedata.normalize("NFKC", password)
