"""Galleries list labelled images: one module for each layout on disk, found by its name."""
