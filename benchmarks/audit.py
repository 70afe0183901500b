"""What the hints of `tithe audit` are worth: a twentieth of the labels is flipped, and what is found is counted.

Rows are cleaned, and encoded once by the frozen encoder. For each seed a fifth of them, with the labels as they are,
judges; of the others 5 % get another label at random. Hints are those of the audit. Linear heads are then trained on
these rows with the labels as they are, flipped, corrected (a person looks at all hints and restores those that were
flipped), with all hinted rows left out, and with as many random rows left out.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow.parquet as pq
import torch
from common import dataset, publish, stamp
from scipy import stats

from tithe.arrays import Array
from tithe.audit.discriminant import out_of_fold
from tithe.audit.rows import AuditRows, open_rows
from tithe.audit.suspects import FLIPPED, find_suspects, flip, try_hints
from tithe.cli.options import quiet_libraries
from tithe.data.cross_validation import folds
from tithe.select.entry import file_config

EPOCHS = 10  # of a head
WAYS = ("clean", "flipped", "corrected", "left out", "random out")


class Outcome(NamedTuple):
    """Of one seed: what the hints were, what the trial said of them, and the accuracy of each way."""

    hints: int
    precision: float
    recall: float
    restored: float
    first: float
    trial_precision: float
    trial_recall: float
    noise: float
    accuracy: dict[str, float]


def main() -> None:
    """Measure each data set, and publish the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", default="reuters_r8,packages_en:10000", help="NAME or NAME:ROWS, separated by commas")
    parser.add_argument(
        "--embeddings", type=Path, help="folder of SET.npy, a vector for each row, in place of the encoder"
    )
    parser.add_argument("--max-length", type=int, default=128)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--remark", default="", help="a sentence on how the numbers were produced")
    asked = parser.parse_args()
    logging.disable(logging.WARNING)
    hints, heads = [], []
    with quiet_libraries():
        for name in asked.sets.split(","):
            rows = _rows(name, asked.embeddings, asked.max_length)
            started = time.monotonic()
            outcomes = [run(rows, seed) for seed in range(asked.seeds)]
            seconds = (time.monotonic() - started) / asked.seeds
            hints.append(_hints_line(name, rows, outcomes, seconds))
            heads += _head_lines(name, outcomes)
            print(hints[-1], *heads[-len(WAYS) :], sep="\n", flush=True)
    publish("audit", _page(asked.remark, asked.seeds, hints, heads))


def _rows(name: str, embeddings: Path | None, max_length: int) -> AuditRows:
    """Return the rows of a set, or so many random ones, cleaned and encoded."""
    name, _, most = name.partition(":")
    table = pq.read_table(dataset(name))
    pick = np.sort(np.random.default_rng(0).permutation(table.num_rows)[: int(most or table.num_rows)])
    with tempfile.TemporaryDirectory() as folder:
        file, vectors = Path(folder) / f"{name}.parquet", Path(folder) / f"{name}.npy"
        pq.write_table(table.take(pick), file)
        if embeddings:
            np.save(vectors, np.load(embeddings / f"{name}.npy")[pick])
        own = [f"data.embeddings={vectors}"] if embeddings else []
        return open_rows(file_config(file, {"max_length": max_length}, own, "benchmarks/audit.py"))


def run(rows: AuditRows, seed: int) -> Outcome:
    """Flip, look for suspects, and train in each way."""
    X_ND, labels_N, classes = rows.vectors, rows.data.labels, len(rows.labels)
    fold_N = folds(labels_N, 5, seed)
    train, test = np.flatnonzero(fold_N > 0), np.flatnonzero(fold_N == 0)
    X_KD, true_K = X_ND[train], labels_N[train]
    wrong_K, flipped = flip(true_K, classes, FLIPPED, seed + 1000)  # not the flips of the trial
    suspects = find_suspects(out_of_fold(X_KD, wrong_K, classes, seed), wrong_K)
    trial = try_hints(X_KD, wrong_K, classes, seed)
    hit = np.isin(suspects.rows, flipped)
    restored = (suspects.suggested[hit] == true_K[suspects.rows[hit]]).mean()
    corrected_K = wrong_K.copy()
    corrected_K[suspects.rows[hit]] = true_K[suspects.rows[hit]]
    every = np.arange(len(train))
    kept = np.setdiff1d(every, suspects.rows)
    drawn = np.sort(np.random.default_rng(seed).permutation(every)[: len(kept)])
    ways = {
        "clean": (every, true_K),
        "flipped": (every, wrong_K),
        "corrected": (every, corrected_K),
        "left out": (kept, wrong_K),
        "random out": (drawn, wrong_K),
    }
    accuracy = {
        name: _accuracy(X_KD[own], labels_K[own], X_ND[test], labels_N[test], classes, seed)
        for name, (own, labels_K) in ways.items()
    }
    counts = len(suspects.rows), float(hit.mean()), float(hit.sum() / len(flipped)), float(restored)
    first = float(hit[: len(flipped)].mean())
    return Outcome(*counts, first, trial.precision, trial.recall, suspects.noise, accuracy)


def _accuracy(X_KD: Array, labels_K: Array, X_MD: Array, labels_M: Array, classes: int, seed: int) -> float:
    """Train a linear head as `tithe train` does, by AdamW on batches; the order of rows depends on the seed alone."""
    mean_D, deviation_D = X_KD.mean(axis=0), X_KD.std(axis=0).clip(1e-6)
    x_KD, y_K = torch.from_numpy((X_KD - mean_D) / deviation_D), torch.from_numpy(labels_K)
    generator, head = torch.Generator().manual_seed(seed), torch.nn.Linear(X_KD.shape[1], classes)
    torch.nn.init.zeros_(head.weight)
    torch.nn.init.zeros_(head.bias)
    optimizer = torch.optim.AdamW(head.parameters(), lr=1e-3, weight_decay=0.01)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(x_KD), generator=generator).split(32):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(head(x_KD[rows]), y_K[rows]).backward()
            optimizer.step()
    with torch.no_grad():
        guess_M = head(torch.from_numpy((X_MD - mean_D) / deviation_D)).argmax(dim=1)
    return float((guess_M.numpy() == labels_M).mean())


def _hints_line(name: str, rows: AuditRows, outcomes: list[Outcome], seconds: float) -> str:
    keys = ("precision", "first", "recall", "restored", "trial_precision", "trial_recall", "noise")
    means = [f"{np.mean([getattr(outcome, key) for outcome in outcomes]):.3f}" for key in keys]
    hints = f"{np.mean([outcome.hints for outcome in outcomes]):.0f}"
    return f"| {name} | {len(rows.data)} | {len(rows.labels)} | {hints} | {' | '.join(means)} | {seconds:.0f} |"


def _head_lines(name: str, outcomes: list[Outcome]) -> list[str]:
    lines = []
    for way in WAYS:
        own = np.array([outcome.accuracy[way] for outcome in outcomes])
        gain = own - np.array([outcome.accuracy["flipped"] for outcome in outcomes])
        half = stats.t.ppf(0.975, len(gain) - 1) * gain.std(ddof=1) / np.sqrt(len(gain)) if len(gain) > 1 else np.nan
        shown = (
            "" if way == "flipped" else f"{gain.mean():+.4f} ({gain.mean() - half:+.4f} to {gain.mean() + half:+.4f})"
        )
        lines.append(f"| {name} | {way} | {own.mean():.4f} | {shown} | {int((gain > 0).sum())} of {len(gain)} |")
    return lines


def _page(remark: str, seeds: int, hints: list[str], heads: list[str]) -> str:
    return "\n".join([
        *("# Hints of wrong labels, with frozen MiniLM", "", stamp(), ""),
        *([remark, ""] if remark else []),
        f"{FLIPPED:.0%} of the labels of the training rows are flipped to another class at random; means of {seeds} "
        "seeds. Precision: share of the hints that were flipped; a hint that was not flipped may be a label that was "
        "wrong in the data, and counts against it. First: the same of the first hints, as many as labels were "
        "flipped. Recall: share of the flipped labels among the hints. Restored: share of these for which the "
        "suggested class is the true one. Trial: what the audit says of itself, from flips of its own on top. "
        "Estimated: share of wrong labels that it estimates. Seconds: of one seed, without the encoder.",
        "",
        "| set | rows | classes | hints | precision | first | recall | restored "
        "| trial precision | trial recall | estimated | seconds |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
        *hints,
        "",
        f"Accuracy of a linear head ({EPOCHS} epochs of AdamW) on test rows with the labels as they are, and the "
        "difference to the head of flipped labels in pairs over the seeds (95 % interval by Student's t), and how "
        "often it is better. Corrected: flipped labels among the hints restored, as a person who looks at all hints "
        "would; left out: all hinted rows dropped, without looking; random out: as many random rows dropped.",
        "",
        "| set | training labels | accuracy | minus flipped | better |",
        "|---|---|---|---|---|",
        *heads,
    ]) + "\n"  # fmt: skip


if __name__ == "__main__":
    main()
