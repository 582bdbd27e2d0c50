"""The only way out to sites: guarded connections, signed calls, and what went wrong with them."""
