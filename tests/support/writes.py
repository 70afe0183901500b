"""Writes that are interrupted, and what they leave."""

from pathlib import Path


class Stopped(Exception):
    """Stands for whatever interrupts a write."""


def leftovers(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob(".partial*")]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())
