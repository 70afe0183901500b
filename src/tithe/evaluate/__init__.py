"""Evaluation: what a classifier reaches, on which rows, and how that is shown."""
