"""A fleet of simulated sites that speak the real protocol: `make demo-fleet`, and for page tests.

`tests.fleet.build.build_fleet` fills a database with it. See `__main__.py` for the command.
"""
