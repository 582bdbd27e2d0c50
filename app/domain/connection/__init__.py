"""The connection to a site, from pairing to revocation."""
