"""Select rows by what a user names: a data file or a config, a strategy, a budget."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, TypedDict, Unpack

from tithe import config, storage
from tithe.config.files import is_config_file
from tithe.data.outputs import check_apart
from tithe.errors import InputError
from tithe.select.choose import SelectionResult, select_from_all, select_from_config
from tithe.select.outputs import save
from tithe.select.settings import overridden

_COMMAND = "tithe select"
_DEFAULTS = {"text_column": "text", "label_column": "label", "encoder": "minilm", "max_length": 256}
Source = str | PathLike[str] | Mapping[str, Any] | config.Run


class FileOptions(TypedDict, total=False):
    """How a data file is read: its columns, and the encoder of its embeddings with the tokens kept of each text."""

    text_column: str | None
    label_column: str | None
    encoder: str | None
    max_length: int | None


class Choice(FileOptions, total=False):
    """Settings that are seldom given; see `config.Select`, `data.embeddings`, and `outputs.save` for `with_rows`."""

    balance: str | None
    floor: int | None
    rounds: int | None
    language_model: str | None
    scores: str | PathLike[str] | None
    embeddings: str | PathLike[str] | None
    with_rows: bool


def select(
    source: Source,
    strategy: str | None = None,
    budget: float | None = None,
    seed: int | None = None,
    options: Mapping[str, Any] | None = None,
    out: str | PathLike[str] | None = None,
    **more: Unpack[Choice],
) -> SelectionResult:
    """Select rows of a labelled file, or training rows of a config, with a strategy.

    Parameters
    ----------
    source
        A data file; or a config: a file, a dict or a `Run`, whose own `select` section and seed count where nothing
        else is given.
    strategy
        Its name, or the path of its .py file; when unset the one of `scores` if they are given, else random.
    budget
        Share of the rows to keep, 0.1 when unset.
    seed
        Seed of the strategy's random draws, 0 when unset.
    options
        The strategy's own settings.
    out
        Parquet file for the chosen rows; a summary (.json) and a map (.png) are written next to it.
    more
        `balance`, `floor`, `rounds`, `language_model`, `scores` as in a config's `select`, `embeddings` as in its
        `data`. `with_rows`: whether `out` also has the text and the label of each row. For a data file: `text_column`,
        `label_column`, `encoder`, `max_length`.

    Raises
    ------
    InputError
        The source, the strategy or a setting is wrong, or `out` is not a .parquet file or is the source.

    Examples
    --------
    >>> picks = tithe.select("rows.parquet", "k_center", budget=0.1, out="picks.parquet")
    >>> picks.ids  # positions of the chosen rows in the file, shape (K,), in its order
    >>> tithe.select("config.yaml", "ifd")
    """
    if unknown := [name for name in more if name not in Choice.__annotations__]:
        raise TypeError(f"select() got an unexpected keyword argument '{unknown[0]}'")
    of_file: dict[str, Any] = {name: more.get(name) for name in FileOptions.__annotations__}
    given: dict[str, Any] = {"strategy": strategy, "budget": budget, "seed": seed}
    given |= {name: more.get(name) for name in ("balance", "floor", "rounds", "language_model")}
    given["scores"] = str(scores) if (scores := more.get("scores")) else None
    file = None if out is None else Path(storage.expand_home(str(out)))
    result = select_rows(source, of_file, embeddings_setting(more.get("embeddings")), (given, options or {}), file)
    if file is not None:
        save(file, result, more.get("with_rows", False))
    return result


def embeddings_setting(file: str | PathLike[str] | None) -> list[str]:
    """Return a file of embeddings as a setting `key=value`; none where there is no file."""
    return [f"data.embeddings={json.dumps(str(file))}"] if file else []


def select_rows(
    source: Source,
    of_file: Mapping[str, Any],
    overrides: Sequence[str],
    choice: tuple[Mapping[str, Any], Mapping[str, Any]],
    out: Path | None,
) -> SelectionResult:
    """Select rows of a data file, or training rows of a config; nothing is written.

    Parameters
    ----------
    source, of_file, out
        See `select`.
    overrides
        Settings as `key=value`, over those of the config, or of that which a data file gets.
    choice
        Settings of the selection, and options of its strategy; what is None is not set.

    Raises
    ------
    InputError
        See `select`.
    """
    path = None if isinstance(source, Mapping | config.Run) else Path(storage.expand_home(str(source)))
    is_data = path is not None and not is_config_file(path)
    if not is_data and (named := [name for name, value in of_file.items() if value is not None]):
        raise InputError(f"{named[0]} is for a data file: set it in the config")
    run = file_config(path, of_file, overrides, _COMMAND) if path and is_data else config.load(source, overrides)
    if out is not None:
        check_out(out, run.data, [path] if path else [])
    settings = overridden(run.select, *choice, _COMMAND)
    if not is_data:
        return select_from_config(run, settings)
    seed = run.seed if settings.seed is None else settings.seed
    return select_from_all(run, settings.model_copy(update={"seed": seed}))


def file_config(
    path: Path, of_file: Mapping[str, Any], overrides: Sequence[str], command: str, **data: float
) -> config.Run:
    """Return the config of a head on a frozen encoder for a data file, with settings of its own for `data`.

    Raises
    ------
    InputError
        A value is not valid.
    """
    how = {**_DEFAULTS, **{name: value for name, value in of_file.items() if value is not None}}
    columns = {name: how.pop(name) for name in ("text_column", "label_column")}
    raw = {
        "data": {"path": str(path), **data, **columns},
        "model": {**how, "freeze": "all"},
        "train": {"epochs": 5, "batch_size": 32, "learning_rate": 1e-3},
    }
    return config.parse(raw, overrides, source=command)


def check_out(out: Path, data: config.Data, others: Sequence[Path] = ()) -> None:
    """Refuse an output whose three files would overwrite each other, the data or the config, or become data.

    Raises
    ------
    InputError
        Wrong suffix, a source has the name of an output file or is its folder, or one can't be written.
    """
    if out.suffix != ".parquet":
        raise InputError(f"--out {out} is not a .parquet file: write for example --out {out.with_suffix('.parquet')}")
    written = [out.with_suffix(suffix) for suffix in (".json", ".parquet", ".png")]
    check_apart(out, written, data, others)
    for file in written:
        storage.check_writable_file(file)
