"""Hyperparameter search before a run, and the largest micro-batch that fits into memory."""
