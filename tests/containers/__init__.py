"""Aura's own image and compose.yaml, run with Docker."""
