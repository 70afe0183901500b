"""Strategies: one rule each by which training rows are chosen."""
