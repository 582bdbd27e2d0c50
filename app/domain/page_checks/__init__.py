"""Pages that must still work: what must be on them, looks at them, and their comparison."""

__all__ = ["addresses", "comparison", "looks", "settings", "structure", "suggestions"]
