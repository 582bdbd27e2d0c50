"""Hash passwords in tests with the least that argon2 does.

Aura's own parameters cost a tenth of a second and 64 MiB for each password, on purpose.
tests/unit/test_passwords.py tests those.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from unittest.mock import patch

from argon2 import PasswordHasher

from app.domain.accounts import passwords

_QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
_REAL = {"_hasher": passwords._hasher, "DUMMY_HASH": passwords.DUMMY_HASH}


def quick() -> AbstractContextManager:
    stand_in = _QUICK.hash("of an account that does not exist")
    return patch.dict(vars(passwords), {"_hasher": _QUICK, "DUMMY_HASH": stand_in})


def real() -> AbstractContextManager:
    return patch.dict(vars(passwords), _REAL)
