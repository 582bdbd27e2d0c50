"""HTTP calls to sites: guarded connections, signed calls and their errors."""
