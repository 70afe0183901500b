"""Search for settings before a run, and for the largest micro-batch."""
