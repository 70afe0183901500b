"""Formats: documented config formats, each translated into a `Run`."""
