"""Users, their roles, passwords and sessions, and signing in at a provider."""

__all__ = [
    "login_throttle", "one_time_links", "openid_sign_in", "password_resets", "preferences", "roles",
    "sessions", "single_sign_on", "users",
]  # fmt: skip
