"""Parity: an export answers like the checkpoint that it is of, on real rows, and whatever else is in a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tithe import storage
from tithe.arrays import Rows
from tithe.errors import InputError, TitheError
from tithe.export import inputs
from tithe.export.inputs import Probs
from tithe.export.targets import Target
from tithe.progress import bar
from tithe.storage import run_files

SUMMARY, ROWS = run_files.PARITY, "parity_rows.parquet"
AGAINST = "tithe predict --exact"
_NEIGHBOURS = 32  # inputs of a batch whose answers are compared with those of inputs alone


@dataclass(frozen=True)
class Answers:
    """Probabilities of an export, shape (N, C).

    Attributes
    ----------
    as_used
        In batches of the size that the export is used with.
    other
        In batches of another size: one, or of many where it is used with one.
    """

    as_used: Probs
    other: Probs


def answers(target: Target, folder: Path, given: Sequence[str]) -> Answers:
    """Open an export as its users do, and run it over inputs."""
    network, preparation = target.open(folder), inputs.open_preparation(folder)
    other = 1 if target.AT_ONCE > 1 else _NEIGHBOURS
    with bar("parity", 2 * len(given), "rows") as tick:
        as_used, beside = (
            inputs.run(network, preparation, given, at_once, tick) for at_once in (target.AT_ONCE, other)
        )
    return Answers(as_used, beside)


def summary(found: Answers, expected_NC: Probs, labels_N: Rows | None = None) -> dict[str, Any]:
    """Compare the answers with those of tithe; accuracy too where the true classes are known."""
    same_N = found.as_used.argmax(axis=1) == expected_NC.argmax(axis=1)
    apart_NC, beside_NC = np.abs(found.as_used - expected_NC), np.abs(found.as_used - found.other)
    accuracy = {} if labels_N is None else {"accuracy": {
        "tithe": float((expected_NC.argmax(axis=1) == labels_N).mean()),
        "export": float((found.as_used.argmax(axis=1) == labels_N).mean()),
    }}  # fmt: skip
    return {
        "rows": len(same_N),
        "equal_labels": float(same_N.mean()),
        "different_rows": int((~same_N).sum()),
        "largest_difference": float(apart_NC.max()),
        "mean_difference": float(apart_NC.mean()),
        **accuracy,
        "neighbours": {
            "equal_labels": float((found.as_used.argmax(axis=1) == found.other.argmax(axis=1)).mean()),
            "largest_difference": float(beside_NC.max()),
        },
    }


def require(result: Mapping[str, Any], accept: float, tolerance: float | None, name: str) -> None:
    """Refuse an export that is not, or no longer, like its checkpoint.

    Parameters
    ----------
    accept
        Smallest share of rows with equal labels.
    tolerance
        Largest difference of a probability; None for any.
    name
        What a message begins with.

    Raises
    ------
    TitheError
        It is not; the message says by how much.
    """
    equal, apart = result["equal_labels"], result["largest_difference"]
    if not np.isfinite(apart) or equal < accept:
        raise TitheError(
            f"{name} gives the label of tithe to {equal:.2%} of {result['rows']} rows, and at least {accept:.2%} were "
            f"asked for: pass a smaller --accept if that is enough, or choose another --to"
        )
    if tolerance is not None and apart > tolerance:
        raise TitheError(
            f"{name}: a probability differs from that of tithe by {apart:.2g}, rounding by {tolerance:g} at most: "
            "it is another classifier"
        )


def check_accept(accept: float) -> None:
    """Check the share of equal labels that is asked for.

    Raises
    ------
    InputError
        It is not a share.
    """
    if not 0 <= accept <= 1:
        raise InputError(f"--accept {accept:g} is not a share of equal labels: choose one from 0 to 1, such as 0.98")


def save_rows(folder: Path, sha256: Sequence[str], expected_NC: Probs) -> None:
    """Write the hash of each row, and the answer of tithe to it."""
    table = pa.table({"sha256": list(sha256), "probabilities": [list(p_C) for p_C in expected_NC]})
    with storage.atomic_file(folder / ROWS) as temporary:
        pq.write_table(table, temporary)


def load_rows(folder: Path) -> tuple[list[str], Probs]:
    """Return the hashes, and the answers of tithe, shape (N, C)."""
    table = pq.read_table(folder / ROWS)
    return table.column("sha256").to_pylist(), np.array(table.column("probabilities").to_pylist(), dtype=np.float64)
