"""Faults planted one at a time, to see that the tests find them (`make planted-faults`)."""
