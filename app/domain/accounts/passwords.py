"""Password rules and hashing: argon2id with the parameters of RFC 9106."""

from __future__ import annotations

import threading
import unicodedata

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError

from app.models.accounts import WITHOUT_PASSWORD

MIN_CHARS = 12
# Longer than any passphrase, and short enough to hash quickly.
MAX_CHARS = 200
_MIN_DIFFERENT_CHARS = 5
_MIN_WORD_CHARS = 3

_hasher = PasswordHasher()
# One hash takes 64 MB and several processors, so a process computes one at a time.
_one_at_a_time = threading.Lock()
# Checked for unknown addresses, so that they take as long as known ones. Its password was
# random and was not kept. A test compares its parameters with those of a new hash.
DUMMY_HASH = (
    "$argon2id$v=19$m=65536,t=3,p=4"
    "$rgWH4AmHvqhYuqkWMDlGaw$E17ISRsh8yPEgAD/yw1Pe3OyZiPHdYdvgHLsQ942sxs"
)


def hash_password(password: str) -> str:
    """Hash a password that `password_problem` accepts."""
    if len(password) > MAX_CHARS:
        raise ValueError("A password is checked with problem_with before it is hashed.")
    normalized = _normalize(password)
    with _one_at_a_time:
        return _hasher.hash(normalized)


def verify_password(stored: str | None, password: str) -> bool:
    """Whether `password` matches the hash; takes the same time without a hash."""
    is_real = stored is not None and stored not in WITHOUT_PASSWORD
    # Do not normalize long texts: with many combining characters that takes seconds and blocks
    # the process.
    is_possible = len(password) <= MAX_CHARS
    try:
        typed = _normalize(password) if is_possible else ""
        with _one_at_a_time:
            _hasher.verify(stored if stored and is_real else DUMMY_HASH, typed)
    except (VerifyMismatchError, InvalidHashError):
        return False
    return is_real and is_possible


def is_outdated(stored: str) -> bool:
    """Whether a new hash would use stronger parameters."""
    return _hasher.check_needs_rehash(stored)


def password_problem(password: str, *, name: str, email: str) -> str:
    """Return why the password is not accepted, or an empty text.

    Only length and guessability count, not kinds of characters.
    """
    # Check before and after normalization, which is slow for long texts and can lengthen others.
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
    """Normalize Unicode, because keyboards send different bytes for the same character."""
    return unicodedata.normalize("NFKC", password)
