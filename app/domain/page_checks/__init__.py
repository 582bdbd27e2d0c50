"""Pages that must still work: what must be on them, looks at them, and their comparison."""

__all__ = [
    "addresses",
    "browser_looks",
    "comparison",
    "looks",
    "screenshots",
    "settings",
    "structure",
    "suggestions",
]
