"""Readers: one file format each; what a reader offers, and what all of them share."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from tithe.errors import InputError, did_you_mean


def check(path: Path, text_column: str, label_column: str | None, found: Collection[str], kind: str = "column") -> None:
    """Look for the columns that the config names.

    Raises
    ------
    InputError
        One is missing; the message names the setting and the nearest column.
    """
    for setting, column in (("text_column", text_column), ("label_column", label_column)):
        if column is not None and column not in found:
            raise InputError(f"{path} has no {kind} '{column}' (data.{setting}){did_you_mean(column, found)}")


class Unreadable(str):
    """A row that its reader could not parse: the raw text, as far as it is known."""
