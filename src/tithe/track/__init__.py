"""Metric logging: the history on disk, and trackers."""
