"""What `make run` starts: the web server, workers, the scheduler and a bundled Redis."""
