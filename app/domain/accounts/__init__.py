"""Users, their passwords and sessions."""

__all__ = [
    "login_throttle", "one_time_links", "password_resets", "preferences", "sessions", "users",
]  # fmt: skip
