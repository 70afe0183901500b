"""Labels that a person has corrected: a JSON file of rows, each with a hash of its text, applied when data are read."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from tithe import config, storage
from tithe.console import counted
from tithe.data.labels import Label, normalise
from tithe.errors import InputError

logger = logging.getLogger("tithe")

DROPPED = "correction"  # the reason of a row that a person left out
_CURE = "audit these data, and use the file that its page downloads"


class Correction(NamedTuple):
    """What a person said of a row; no label means that it is left out."""

    text_sha256: str
    label: Label | None


@dataclass
class Corrections:
    """The corrections of some data, and how many of them were applied so far.

    Attributes
    ----------
    of_row
        By the position of the row in the data, those that were not applied yet.
    """

    path: Path
    of_row: dict[int, Correction]
    relabelled: int = 0
    confirmed: int = 0
    dropped: int = 0

    @classmethod
    def read(cls, path: Path) -> Corrections:
        """Read a file of corrections.

        Raises
        ------
        InputError
            It is missing, not a file of corrections, or has two for one row.
        """
        saved = storage.read_json(path)
        entries = saved.get("corrections") if isinstance(saved, dict) else None
        if not isinstance(entries, list):
            raise InputError(f"{path} is not a file of corrections: it needs corrections, a list; {_CURE}")
        of_row: dict[int, Correction] = {}
        for number, entry in enumerate(entries):
            row, correction = _parsed(entry, f"{path}, correction {number}")
            if of_row.setdefault(row, correction) != correction:
                raise InputError(f"{path} corrects row {row} twice, differently: keep one of the two")
        return cls(path, of_row)

    @property
    def key(self) -> str:
        """What tells these corrections, before they are applied, from any others."""
        return storage.digest(sorted((row, *correction) for row, correction in self.of_row.items()))

    def apply(self, row: int, text: str, label: Label | None) -> tuple[Label | None, bool]:
        """Return the label of a row as corrected, and whether the row stays.

        Parameters
        ----------
        text
            Cleaned; empty where the row has none that can be used.

        Raises
        ------
        InputError
            The row's text is not the one that was corrected.
        """
        correction = self.of_row.pop(row, None)
        if correction is None:
            return label, True
        if text_sha256(text) != correction.text_sha256:
            raise InputError(
                f"{self.path} is for other data: row {row} has another text than the one corrected; {_CURE}"
            )
        if correction.label is None:
            self.dropped += 1
            return label, False
        same = str(label) == str(correction.label)
        self.relabelled, self.confirmed = self.relabelled + (not same), self.confirmed + same
        return correction.label, True

    def finish(self, rows: int) -> dict[str, Any]:
        """Return the counts for the data report, after all of so many rows were read.

        Raises
        ------
        InputError
            There are corrections of rows that the data do not have.
        """
        if self.of_row:
            beyond = f"it corrects row {min(self.of_row)}, and there are {counted(rows, 'row')}"
            raise InputError(f"{self.path} is for other data: {beyond}; {_CURE}")
        counts = {"relabelled": self.relabelled, "dropped": self.dropped, "confirmed": self.confirmed}
        logger.info("%s: %s", self.path, ", ".join(f"{count} {what}" for what, count in counts.items()))
        return {"file": self.path.name, **counts}


def corrections_of(data: config.Data) -> Corrections | None:
    """Return the corrections that a config names; None if it names none.

    Raises
    ------
    InputError
        As `Corrections.read`.
    """
    return Corrections.read(Path(data.corrections)) if data.corrections else None


def text_sha256(text: str) -> str:
    """Return the SHA-256 of a cleaned text in UTF-8, by which a correction knows it."""
    return hashlib.sha256(text.encode()).hexdigest()


def _parsed(entry: object, where: str) -> tuple[int, Correction]:
    if not isinstance(entry, dict):
        raise InputError(f"{where} is not an object with row, text_sha256, and label or drop; {_CURE}")
    row, sha256, drop = entry.get("row"), entry.get("text_sha256"), entry.get("drop", False)
    name = entry.get("label")
    if type(row) is not int or row < 0 or not isinstance(sha256, str):
        raise InputError(f"{where}: row must be a position from 0, and text_sha256 the hash of its text; {_CURE}")
    label = normalise(name) if isinstance(name, str | int) else None
    if type(drop) is not bool or drop == (label is not None) or (name is not None and label is None):
        raise InputError(f"{where}: row {row} needs either a label or drop: true")
    return row, Correction(sha256, label)
