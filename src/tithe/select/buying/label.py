"""`tithe label`: choose rows, write them for a person to label, say what is expected; the next call goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import Any, Unpack

from tithe import config, plugins, storage
from tithe.data.text.labelling import Columns, LabelledTexts, UnlabelledTexts, read_labelled, read_unlabelled
from tithe.errors import InputError
from tithe.select.buying.advice import Advice, Prices, advise
from tithe.select.buying.next_rows import Corpus, NextRows, label_settings, next_rows
from tithe.select.buying.round_files import RoundFiles
from tithe.select.entry import FileOptions, file_config
from tithe.select.settings import content_hashes

_COMMAND = "tithe label"
_VERSION = 1  # part of what identifies a round: increase it when the same inputs would give other rows


class Options(FileOptions, total=False):
    """Settings that are seldom given.

    Attributes
    ----------
    seed
        Of the strategy's random draws; 0 when unset.
    options
        The strategy's own settings.
    format
        Of the rows: csv, jsonl or parquet.
    classes
        Names of classes that the page offers, before those that are known from labels.
    cost, worth
        Price of one label, and worth of one point of accuracy, in the same unit.
    overwrite
        Whether another round in the folder may be replaced.
    """

    seed: int
    options: Mapping[str, Any]
    format: str
    classes: Sequence[str]
    cost: float | None
    worth: float | None
    overwrite: bool


@dataclass(frozen=True)
class LabelRound:
    """One round of labelling.

    Attributes
    ----------
    rows
        The rows to label, why each, and what is known and expected.
    file
        The file that has them.
    account
        The content of `label.json`.
    """

    rows: NextRows
    advice: Advice
    file: Path
    account: dict[str, Any]


def label(
    pool: str | PathLike[str],
    labelled: Sequence[str | PathLike[str]] = (),
    rows: int = 500,
    strategy: str = "auto",
    out: str | PathLike[str] = "label",
    **more: Unpack[Options],
) -> LabelRound:
    """Choose the rows of an unlabelled pool to label next, and write them with a page on which a person labels them.

    The rows are a function of the texts, the labels and the settings: a second call writes the same.

    Parameters
    ----------
    pool
        A data file of texts, folder of its parts or pattern; labels in it are not read.
    labelled
        Files of the texts that have labels by now, one for each round, the first one first.
    rows
        How many to choose.
    strategy
        Its name, or the path of its .py file.
    out
        Folder for the rows, `label.html` and `label.json`.
    more
        See `Options`; and `text_column`, `label_column`, `encoder` and `max_length` as of `tithe.select`.

    Raises
    ------
    InputError
        A file or a setting is wrong, a text has two labels, none is left, or the folder has another round.

    Examples
    --------
    >>> first = tithe.label("pool.csv", rows=100, out="round1")
    >>> tithe.label("pool.csv", ["round1/labelled.csv"], rows=100, out="round2").advice.sentence
    """
    if unknown := [name for name in more if name not in Options.__annotations__ | FileOptions.__annotations__]:
        raise TypeError(f"label() got an unexpected keyword argument '{unknown[0]}'")
    if rows < 1:
        raise InputError(f"--rows {rows}: choose at least 1 row to label")
    seed, classes = more.get("seed", 0), list(more.get("classes", ()))
    settings = label_settings(strategy, more.get("options", {}), seed)
    prices = Prices.of(more.get("cost"), more.get("worth"))
    paths = [Path(storage.expand_home(fspath(path))) for path in (pool, *labelled)]
    of_file = {name: more.get(name) for name in FileOptions.__annotations__}
    run = file_config(paths[0], of_file, [f"seed={seed}"], _COMMAND)
    columns = Columns(run.data.text_column, run.data.label_column)
    folder, form = Path(storage.expand_home(fspath(out))), more.get("format", "csv")
    files = RoundFiles(folder, form, columns, classes, more.get("overwrite", False))
    files.check(run.data, paths)
    texts = read_unlabelled(paths[0], columns, run.data.layout)
    bought = read_labelled(paths[1:], columns, texts)
    asked = {"rows": rows, "classes": classes, "format": form, "cost": more.get("cost"), "worth": more.get("worth")}
    inputs = {**_inputs(run, settings, texts, bought), **asked}
    files.check_round(inputs)
    found = next_rows(run, settings, Corpus.of(texts, bought), rows)
    advice = advise(found.expectation, len(found.texts), prices)
    return LabelRound(found, advice, files.rows, files.save(found, advice, inputs))


def _inputs(run: config.Run, settings: config.Select, texts: UnlabelledTexts, bought: LabelledTexts) -> dict[str, Any]:
    """Return what the rows are a function of; files count by what they say."""
    labels = [[text, str(name), bought.round_of[text]] for text, name in bought.label_of.items()]
    return {
        "version": _VERSION,
        "pool": {"texts": len(texts.texts), "sha256": storage.digest([texts.texts, texts.ids]), **texts.dropped},
        "labelled": {"texts": len(labels), "sha256": storage.digest(labels)},
        "passed": {"texts": len(bought.passed), "sha256": storage.digest(sorted(bought.passed))},
        "strategy": plugins.short_name(settings.strategy),
        "options": dict(settings.options),
        **content_hashes(settings, run.data),
        "seed": run.seed,
        "encoder": run.model.encoder,
        "max_length": run.model.max_length,
        "columns": [run.data.text_column, run.data.label_column],
    }
