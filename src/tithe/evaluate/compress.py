"""Compress a trained head: weighted training rows that reproduce it, and how nearly they do.

What is matched is the logistic head of all training rows, on the run's frozen features. The run's own head was trained
by AdamW and is not at that optimum; the parity says how near the two are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tithe import config, storage
from tithe.arrays import Array, Rows
from tithe.checkpoints.state import EMA, ENCODER, MODEL
from tithe.data import Splits
from tithe.errors import InputError
from tithe.evaluate.checkpoint import own_splits
from tithe.models import network
from tithe.models.classifier import Classifier
from tithe.models.examples import Encodable
from tithe.models.features import Features
from tithe.predict import TrainedModel, load
from tithe.select.budget import budget_rows
from tithe.select.entry import check_out
from tithe.select.pool import Pool
from tithe.select.selection import Selection, select
from tithe.select.signals import linear_probes
from tithe.storage import run_files

WHAT = "compression of a head: says little of the rows"
# The strategies that match a head, and how a budget is divided among the classes where they do best.
STRATEGIES: Mapping[str, Mapping[str, Any]] = {
    "sensitivity": {},
    "gradient_match": {},
    "omp": {"balance": "none", "floor": 0},
}


def compress(home: Path, rows: str, strategy: str, out: Path) -> dict[str, Any]:
    """Choose and weigh training rows of a finished run so that a head trained on them is that of all of its rows.

    Writes the rows as Parquet, the one of `rank` 0 weighs most; a weight of 1 counts as N / K of the N training rows.

    Parameters
    ----------
    home
        Directory of a finished run of a text classifier on a frozen encoder.
    rows
        How many: a share such as `10%`, or a count.
    strategy
        One of `STRATEGIES`.
    out
        Parquet file for the rows; the summary (.json) is written next to it.

    Returns
    -------
    The content of the summary: settings, hashes of the run's weights and of the rows, parity.

    Raises
    ------
    InputError
        The run is of another kind, its data have changed, or an argument is wrong.
    """
    asked = _parsed(rows)
    if strategy not in STRATEGIES:
        raise InputError(f"--strategy {strategy} matches no head: choose {', '.join(STRATEGIES)}")
    run = _checked_run(home)
    check_out(out, run.data)
    if out.resolve().is_relative_to(home.resolve()):
        raise InputError(f"--out {out} is inside the run, which would no longer verify: choose a file outside")
    trained = load(home)
    splits = own_splits(trained, "restore them")
    frozen = _FrozenRows.of(trained, splits)
    settings = config.Select(strategy=strategy, budget=_budget(asked, frozen, strategy), **STRATEGIES[strategy])
    pool = _pool(frozen, settings, run.seed)
    chosen = select(pool, settings, run.seed)
    about = {
        "what": WHAT,
        "run": str(home),
        "weights_sha256": _weights_sha256(trained.folder),
        "settings": settings.model_dump(mode="json"),
        "seed": run.seed,
        "rows": len(chosen),
        "pool": len(pool),
        "rows_sha256": storage.digest_bytes(pool.ids[chosen.rows].tobytes()),
        "penalty": {
            "all_rows": float(pool.head_penalty[0]),
            "compressed": float(pool.head_penalty[0]) * len(chosen) / float(chosen.weight.sum()),
        },
        "parity": _parity(frozen, pool, chosen, run.seed),
    }
    _write(out, splits, chosen, about)
    return about


def _parsed(text: str) -> int | float:
    """Return a count as an integer, or a share as a fraction."""
    try:
        value = float(text[:-1]) / 100 if text.endswith("%") else int(text)
    except ValueError:
        value = 0
    if value < 1 if isinstance(value, int) else not 0 < value <= 1:
        raise InputError(f"--rows {text} is neither a share nor a count of rows: write for example 10% or 500")
    return value


def _checked_run(home: Path) -> config.Run:
    """Return the config of a run whose head can be compressed."""
    file = home / run_files.CONFIG
    if not (file.is_file() and (home / run_files.MANIFEST).is_file()):
        raise InputError(f"{home} is not the directory of a finished run: pass one that tithe train wrote")
    run = config.parse(storage.read_json(file), source=str(file))
    frozen = "a head on a frozen encoder can be compressed: pass a run of a text classifier with model.freeze all"
    if run.task != "text":
        raise InputError(f"{home} is a run of task {run.task}, and only {frozen}")
    if run.model.freeze != "all":
        raise InputError(f"{home} was trained with model.freeze {run.model.freeze}, and only {frozen}")
    if run.select is not None:
        raise InputError(f"{home} was trained on a selection of its rows: pass a run on all of them, without select")
    if run.data.weight_column is not None:
        raise InputError(f"{home} weighs its rows: pass a run without data.weight_column")
    return run


@dataclass(frozen=True)
class _FrozenRows:
    """What a run's encoder and head make of its rows.

    Attributes
    ----------
    features_ND, labels_N, ids_N
        Of the training rows before balancing: features, classes and positions in the data file.
    part
        Name of the rows on which heads are compared: test, else validation, else the training rows.
    features_MD, labels_M, probs_MC
        Of these rows: features, classes, and probabilities by the run's own head.
    """

    features_ND: Array
    labels_N: Rows
    ids_N: Rows
    part: str
    features_MD: Array
    labels_M: Rows
    probs_MC: Array

    @classmethod
    def of(cls, trained: TrainedModel, splits: Splits) -> _FrozenRows:
        examples, split = trained.task.encode(splits.rows), splits.split
        inputs = features = trained.inputs(examples)
        if not isinstance(features, Features):  # the run did not train on them
            assert isinstance(trained.model, Classifier) and isinstance(examples, Encodable)
            key = trained.task.encoder_key()
            features = network.frozen_features(trained.model, key, examples, trained.accelerator)
        held_out = {run_files.TEST: splits.test, run_files.VALIDATION: splits.val, "train": split.train}
        part, rows = next((name, rows) for name, rows in held_out.items() if len(rows))
        probs_MC = trained.task.probabilities(trained.outputs(inputs.take(rows)))  # of the head, without a temperature
        X_AD, labels, ids = features.values, splits.rows.labels, splits.rows.ids
        own = (np.asarray(X_AD[split.train]), labels[split.train], ids[split.train])
        return cls(*own, part, np.asarray(X_AD[rows]), labels[rows], probs_MC)


def _budget(asked: int | float, frozen: _FrozenRows, strategy: str) -> float:
    """Return the share of the training rows."""
    rows, classes = len(frozen.labels_N), len(np.unique(frozen.labels_N))
    share = asked / rows if isinstance(asked, int) else asked
    if share > 1:
        raise InputError(f"--rows {asked} is more than the run's {rows} training rows: ask for fewer")
    if "floor" not in STRATEGIES[strategy] and budget_rows(rows, share) < classes:
        few = f"{budget_rows(rows, share)} of {rows} training rows"
        raise InputError(f"--rows gives {few}, fewer than the {classes} classes: ask for {classes} or more")
    return share


def _pool(frozen: _FrozenRows, settings: config.Select, seed: int) -> Pool:
    """Return the training rows with the signals that the strategies read."""
    X_ND, labels_N = frozen.features_ND, frozen.labels_N
    classes = int(labels_N.max()) + 1
    probs_NC = linear_probes.out_of_fold(X_ND, labels_N, classes, settings.folds, seed)
    head = linear_probes.of_all(X_ND, labels_N, classes, seed)
    return Pool.of(labels_N, frozen.ids_N, {"embeddings": X_ND, "probs": probs_NC, **head})


def _weights_sha256(checkpoint: Path) -> dict[str, str]:
    """Return the hashes of the checkpoint's files of weights, from its manifest, by name."""
    files = storage.listed_files(checkpoint)
    return {name: files[name] for name in (MODEL, EMA, ENCODER) if name in files}


def _parity(frozen: _FrozenRows, pool: Pool, chosen: Selection, seed: int) -> dict[str, Any]:
    """Compare the run's own head, that of all rows and that of the compressed rows on held-out rows."""
    every, penalty = np.arange(len(pool)), float(pool.head_penalty[0])
    heads = {"all_rows": (every, np.ones(len(pool))), "compressed": (chosen.rows, chosen.weight)}
    probs = {"run": frozen.probs_MC}
    for name, (rows_K, weight_K) in heads.items():
        head = linear_probes.head(pool.embeddings, pool.labels, rows_K, weight_K, penalty, seed)
        probs[name] = head.probs(frozen.features_MD, frozen.probs_MC.shape[1])
    return {
        "part": frozen.part,
        "rows": len(frozen.labels_M),
        "accuracy": {name: float((p_MC.argmax(axis=1) == frozen.labels_M).mean()) for name, p_MC in probs.items()},
        "agreement": [_agreement(probs, one, other) for one, other in combinations(reversed(probs), 2)],
    }


def _agreement(probs: Mapping[str, Array], one: str, other: str) -> dict[str, Any]:
    first_MC, second_MC = probs[one], probs[other]
    return {
        "heads": [one, other],
        "same_predictions": float((first_MC.argmax(axis=1) == second_MC.argmax(axis=1)).mean()),
        "mean_probability_difference": float(np.abs(first_MC - second_MC).mean()),
    }


def _write(out: Path, splits: Splits, chosen: Selection, about: Mapping[str, Any]) -> None:
    data = splits.rows.take(splits.split.train[chosen.rows])
    columns: dict[str, Any] = {
        "id": data.ids,
        "rank": chosen.rank,
        "weight": chosen.weight,
        "text": data.inputs(),
        "label": [splits.labels.names[label] for label in data.labels],
    }
    table = pa.table(columns).replace_schema_metadata({"tithe": json.dumps(about)})
    with storage.atomic_file(out) as temporary:
        pq.write_table(table, temporary)
    storage.write_json(out.with_suffix(".json"), about)
