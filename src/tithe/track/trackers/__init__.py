"""Trackers: mirrors of the history that a run always keeps itself."""
