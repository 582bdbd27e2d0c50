"""Site reports, and when they are requested."""
