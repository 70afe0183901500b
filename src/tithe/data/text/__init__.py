"""Load labelled texts: read, clean, deduplicate, split."""
