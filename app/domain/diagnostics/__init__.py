"""Connection tests: find what blocks the connection to a site, with evidence.

`runs` queues and executes tests, and `examine` makes the checks.
"""
