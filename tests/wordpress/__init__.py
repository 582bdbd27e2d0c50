"""Real WordPress sites in containers, for tests and for `make demo`."""
