"""The commands of the project; what they do is done by tithe."""
