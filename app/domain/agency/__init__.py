"""The agency: its name, colors, logo and time zone."""

__all__ = ["colors", "logo", "settings"]
