"""Changes by the hundred while everything breaks, and a count of what came of them.

`simulated` is one process whose every breakage is a throw of seeded dice, so that a run can be had
again exactly. `real` is Aura's own worker and schedule processes, a real Redis and a real
PostgreSQL, all killed at random, calling sites over real sockets that lose and double what they
carry. Both are judged by the same count of the sites' own books against Aura's.
"""
