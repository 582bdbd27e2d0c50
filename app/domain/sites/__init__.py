"""Sites, their clients and tags, and what is not to be updated."""
