"""Trackers: each mirrors the history, which the run always keeps itself."""
