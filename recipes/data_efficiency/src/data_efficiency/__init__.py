"""The project's commands, each a few lines on top of tithe."""
