"""One run: its directory, its session, its end."""
