"""Where numbers go: the history on disk, and trackers."""
