"""Readers: one file format each, yielding lists of (input, label)."""
