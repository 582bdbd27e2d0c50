"""Connection tests: find what blocks the connection to a site, with evidence.

`scheduling` queues tests, `runs` executes them, and `examine` makes the checks.
"""
