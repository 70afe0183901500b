"""Data sets from package registries and from the Hugging Face hub."""
