"""What `make run` starts: the web server, the worker and a bundled Redis."""
