"""Recipes: documented config formats, each translated to the one `Run`."""
