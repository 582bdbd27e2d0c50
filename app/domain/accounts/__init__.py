"""Users, their passwords and sessions."""
