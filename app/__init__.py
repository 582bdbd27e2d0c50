"""Aura: a dashboard for the WordPress sites of an agency."""

__version__ = "0.1.0"
