"""Make hundreds of changes under random failures, and count the results.

`simulated` is one process with failures from a seeded generator, so that a run is reproducible.
`real` has Aura's own worker and schedule processes, a real Redis and a real PostgreSQL, all killed
at random, and calls sites over real sockets that lose and duplicate messages. The same code
compares the logs of the sites with Aura's.
"""
