"""Aura: a dashboard for the WordPress sites of an agency."""
