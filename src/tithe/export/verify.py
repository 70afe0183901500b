"""Verify an export: the hash of every file, and its parity, recomputed on the rows that it names."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from tithe import plugins, storage
from tithe.console import counted
from tithe.errors import InputError, TitheError
from tithe.export import parity, rows
from tithe.export.targets import Target


def is_export(folder: Path) -> bool:
    """Return whether a folder looks like an export, intact or not."""
    return (folder / parity.SUMMARY).is_file()


def verify_export(folder: Path, data: Path | None = None) -> list[str]:
    """Recompute every claim of an export; return the results, one per line.

    Parameters
    ----------
    data
        File with the rows that it was compared on; where the export says that they are, when unset.

    Raises
    ------
    InputError
        The rows can't be read.
    TitheError
        A file has changed, rows are missing, or its answers are no longer those of tithe.
    """
    about, target = open_verified(folder)
    sha256, expected_NC = parity.load_rows(folder)
    inputs = rows.find(about["data"], about["task"], folder, data, sha256)
    result = parity.summary(parity.answers(target, folder, inputs), expected_NC)
    parity.require(result, about["accept"], about["tolerance"], str(folder))
    equal, apart = result["equal_labels"], result["largest_difference"]
    return [
        f"{folder}: every file is unchanged",
        f"{counted(len(inputs), 'row')}: {equal:.2%} have the label of tithe, "
        f"largest difference of a probability {apart:.2g}",
    ]


def open_verified(folder: Path) -> tuple[dict[str, Any], Target]:
    """Return the summary and the format of an export whose files are as they were written.

    Raises
    ------
    InputError
        Another version of tithe wrote it.
    TitheError
        A file has changed.
    """
    if bad := storage.broken_files(folder):
        raise TitheError(f"{folder} has changed since it was written: {', '.join(bad)}")
    about = _about(folder)
    return about, cast(Target, plugins.load("targets", about["target"]))


def _about(folder: Path) -> dict[str, Any]:
    about = storage.read_json(folder / parity.SUMMARY)
    needed = {"target", "task", "accept", "tolerance", "data"}
    if not isinstance(about, dict) or not needed <= about.keys():
        raise InputError(f"{folder / parity.SUMMARY} is not one that this version of tithe writes: export again")
    return about
