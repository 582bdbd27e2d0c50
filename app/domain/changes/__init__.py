"""Updates: which are possible, how they are approved and run, and what came of them."""
