"""Other servers, proxies, caches and firewalls around a real WordPress."""
