"""One run: its directory, its course, its end."""
