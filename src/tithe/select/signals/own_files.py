"""Signals of the user's own: a file of scores, a file of embeddings, for the rows of the data file as it is read.

Rows count from 0 in the order of reading, before cleaning, as `id` in the files of a selection does; parts and given
splits count on: the training rows first.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tithe import config, plugins
from tithe.arrays import Array, Rows, rows_of
from tithe.console import counted
from tithe.data import Splits
from tithe.errors import InputError
from tithe.select.settings import existing, needs_of

_COLUMNS = ("id", "score")


def check(settings: config.Select, data: config.Data) -> None:
    """Check the files that a selection reads, before any rows are read.

    Raises
    ------
    InputError
        A strategy reads scores and there are none, or a file is missing or has another format.
    """
    if "scores" in needs_of(settings):
        _columns(_given(settings.scores, plugins.short_name(settings.strategy)))
    if data.embeddings:
        _opened(data.embeddings)


def check_rows(settings: config.Select, data: config.Data, splits: Splits) -> None:
    """Check that the files fit the rows to choose from, before an encoder passes over these.

    Raises
    ------
    InputError
        See `read_scores`; or there are more or fewer vectors than rows of the data.
    """
    rows_read = int(splits.report["rows_read"])
    if "scores" in needs_of(settings):
        read_scores(settings.scores, splits.rows.ids[splits.split.train], rows_read)
    if data.embeddings:
        _check_length(data.embeddings, _opened(data.embeddings), rows_read)


def read_scores(path: str | None, ids_N: Rows, rows_read: int) -> Array:
    """Return the score of each row of a pool, float64, shape (N,); scores of other rows are not looked at.

    Parameters
    ----------
    path
        A Parquet file with the columns `id` and `score`, in any order of its rows.
    ids_N
        Positions in the data.
    rows_read
        How many rows the data have.

    Raises
    ------
    InputError
        A row has no score, two, or one that is not a finite number; or an `id` is not a row of the data.
    """
    path = _given(path, "scores")
    _columns(path)
    table = pq.read_table(path, columns=list(_COLUMNS))
    if table.column("id").null_count:
        raise InputError(f"select.scores {path}: an id is missing: give each score the position of its row")
    id_M = table.column("id").to_numpy()
    score_M = table.column("score").cast(pa.float64()).to_numpy()
    if outside := id_M[(id_M < 0) | (id_M >= rows_read)][:1].tolist():
        raise InputError(f"select.scores {path}: id {outside[0]} is not a row of the data, which have {rows_read}")
    count_N, score_N = np.zeros(rows_read, dtype=np.int64), np.full(rows_read, np.nan)
    np.add.at(count_N, id_M, 1)
    score_N[id_M] = score_M  # the last of several, which are refused below
    for problem, is_bad_N in (
        ("has several scores", count_N > 1),
        ("has no score", count_N == 0),
        ("has a score that is not a finite number", ~np.isfinite(score_N)),
    ):
        if bad := ids_N[is_bad_N[ids_N]][:1].tolist():
            more = f" ({counted(int(is_bad_N[ids_N].sum()), 'row')} in all)"
            raise InputError(f"select.scores {path}: row {bad[0]} of the data {problem}{more}: give each row one")
    return score_N[ids_N]


def read_embeddings(path: str, ids_N: Rows, rows_read: int) -> Array:
    """Return the vector of each row of a pool, float32, shape (N, D); only these rows of the file are read.

    Parameters
    ----------
    path
        A .npy file of floating-point numbers, shape (M, D): row i belongs to row i of the data.
    ids_N, rows_read
        As for `read_scores`.

    Raises
    ------
    InputError
        The file has another number of rows than the data, or a vector is not finite in float32.
    """
    X_MD = _opened(path)
    _check_length(path, X_MD, rows_read)
    with np.errstate(over="ignore"):
        X_ND = rows_of(X_MD, ids_N, np.float32)
    is_finite_N = np.isfinite(X_ND.min(axis=1)) & np.isfinite(X_ND.max(axis=1))  # no array of (N, D) besides
    if bad := ids_N[~is_finite_N][:1].tolist():
        raise InputError(f"data.embeddings {path}: the vector of row {bad[0]} is not finite: embed the row again")
    return X_ND


def _check_length(path: str, X_MD: Array, rows_read: int) -> None:
    if len(X_MD) != rows_read:
        rows = counted(len(X_MD), "row")
        raise InputError(f"data.embeddings {path} has {rows}, the data {rows_read}: give each row a vector")


def _given(path: str | None, strategy: str) -> str:
    if path is None:
        raise InputError(f"{strategy} reads scores: set select.scores to a Parquet file of the columns id and score")
    return path


def _columns(path: str) -> None:
    """Check that a file has the columns of scores, of the right types."""
    file = existing(path, "select.scores")
    try:
        schema = pq.read_schema(file)
    except (pa.ArrowException, OSError):
        raise InputError(f"select.scores {path} is not a Parquet file: write it as one") from None
    for name, is_right, kind in (
        ("id", pa.types.is_integer, "whole numbers"),
        ("score", lambda type_: pa.types.is_floating(type_) or pa.types.is_integer(type_), "numbers"),
    ):
        if schema.names.count(name) != 1:
            raise InputError(f"select.scores {path} has no column '{name}': it needs id, a row of the data, and score")
        if not is_right(schema.field(name).type):
            raise InputError(f"select.scores {path}: column '{name}' is {schema.field(name).type}: write {kind}")


def _opened(path: str) -> Array:
    """Map a file of embeddings; what is not read stays on the disk."""
    file = existing(path, "data.embeddings")
    try:
        X_MD = np.load(file, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError):  # whose words advise to load pickles
        raise InputError(f"data.embeddings {path} is not a .npy file of numbers: write it with numpy.save") from None
    if not isinstance(X_MD, np.ndarray) or X_MD.ndim != 2 or X_MD.dtype.kind != "f" or not X_MD.shape[1]:
        what = f"{X_MD.dtype} of shape {X_MD.shape}" if isinstance(X_MD, np.ndarray) else "an archive"
        raise InputError(f"data.embeddings {path} is {what}: it needs floating-point numbers of shape (rows, width)")
    return X_MD
