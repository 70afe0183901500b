"""Strategies × budgets × seeds, and the table of them."""
