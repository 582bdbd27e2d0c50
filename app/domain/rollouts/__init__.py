"""Rollouts: start a batch in waves, each when the evidence of the last one holds."""

__all__ = ["control", "evidence", "looks", "starting", "upkeep", "wave_choice"]
