"""Tell people by e-mail what needs their attention: the items of the overview, once and in time."""

__all__ = ["delivery", "preferences", "watch"]
