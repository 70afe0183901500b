"""Checkpoints: the complete state of a run, saved, verified and located."""
