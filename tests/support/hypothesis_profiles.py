"""How many examples Hypothesis tries: few in a usual run, many with `--all`."""

from __future__ import annotations

from hypothesis import settings

QUICK, THOROUGH = "quick", "thorough"
settings.register_profile(QUICK, max_examples=100, deadline=None)
settings.register_profile(THOROUGH, max_examples=2000, deadline=None)


def load(*, thorough: bool) -> None:
    """Choose how thorough this run is, before a test module is imported."""
    settings.load_profile(THOROUGH if thorough else QUICK)


def examples(*, quick: int, thorough: int, **more: object) -> settings:
    """Return settings for a test whose examples are slow, with a number for each profile."""
    count = thorough if settings.get_current_profile_name() == THOROUGH else quick
    return settings(max_examples=count, deadline=None, **more)
