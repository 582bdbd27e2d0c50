"""Users, their roles, passwords, second factors and sessions, and signing in at a provider."""

__all__ = [
    "codes", "identity", "login_throttle", "one_time_links", "openid_sign_in", "own_passkeys",
    "passkeys", "password_resets", "preferences", "roles", "second_factors", "security_mail",
    "sessions", "sign_in", "single_sign_on", "users", "verified_person",
]  # fmt: skip
