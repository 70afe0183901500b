"""Formats of an export, one file each: the file's name is the name of `--to`."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from tithe.export.inputs import Network
from tithe.export.source import Source


class Target(Protocol):
    """The contract of a module in this folder.

    Attributes
    ----------
    PACKAGES
        What a user of the export needs; their versions are written down.
    AT_ONCE
        Most inputs in a batch at run time.
    TOLERANCE
        Largest difference of a probability from that of tithe; None where only the labels must agree.
    """

    PACKAGES: tuple[str, ...]
    AT_ONCE: int
    TOLERANCE: float | None

    def write(self, source: Source, folder: Path) -> None:
        """Write the network and its configuration into a folder.

        Raises
        ------
        InputError
            The format can't express this network, or a package is missing.
        """
        ...

    def open(self, folder: Path) -> Network:
        """Open the network in an export as its users do, without the run that it is from."""
        ...

    def usage(self, folder: Path) -> str:
        """Return Python code for the card that opens an export."""
        ...
