"""Sites, their clients, tags and ignored updates."""
