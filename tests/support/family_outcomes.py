"""What becomes of a family of encoders: trained, or refused in one line; and a text alone and beside a longer one."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from support.encoder_families import configuration_of, saved
from support.tokenizers import ENGLISH
from tithe import config
from tithe.errors import InputError
from tithe.models import skeleton
from tithe.tasks import text

TEXTS = ["good film", "the film was good and the film was bad , the film was bad and good and good and bad"]
LENGTH = 24
# What a warning adds to the result, by the words in it.
SAID = {"in float32": "training in float32", "with a warning: follows the attention mask only in part": "only in part"}


class Outcome(NamedTuple):
    """What became of it.

    Attributes
    ----------
    network
        Class of the network.
    refusal
        The line that refuses it; empty if it was trained.
    difference
        Largest difference of a class's probability, in float32, between a text alone and the same text padded beside a
        longer one, before training; None if it was refused.
    warnings
        What was said of its precision and its attention mask.
    """

    network: str
    refusal: str
    difference: float | None
    warnings: tuple[str, ...] = ()


def outcome(family: str, folder: Path, train: Callable[[dict[str, Any]], object]) -> Outcome:
    """What becomes of a family when a function trains the config that it is given.

    Parameters
    ----------
    folder
        An empty folder for its files.
    """
    raw = _config(saved(family, folder / family), folder)
    network = type(skeleton.build(configuration_of(family), family)).__name__
    with _warnings() as said:
        try:
            train(raw)
        except InputError as error:
            return Outcome(network, str(error).replace(str(folder), "."), None)
    return Outcome(network, "", _difference(raw), tuple(name for name, words in SAID.items() if words in "".join(said)))


@contextlib.contextmanager
def _warnings() -> Iterator[list[str]]:
    """Collect the warnings inside the block."""
    said: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("tithe").addHandler(handler)
    try:
        yield said
    finally:
        logging.getLogger("tithe").removeHandler(handler)


def _config(encoder: Path, folder: Path) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    texts = {" ".join(rng.choice(ENGLISH, rng.integers(3, 30))): ("bad", "good")[i % 2] for i in range(40)}
    rows = folder / "rows.csv"
    rows.write_text("text,label\n" + "".join(f'"{t}",{label}\n' for t, label in texts.items()))
    return {
        "data": {"path": str(rows)},
        "model": {"encoder": str(encoder), "max_length": LENGTH},
        "train": {"epochs": 1, "batch_size": 8, "device": "cpu"},
        "track": {"tensorboard": False},
        "out": str(folder / "run"),
    }


def _difference(raw: dict[str, Any]) -> float:
    task = text.open(config.parse(raw))
    model, examples = task.build(2, seed=0).eval(), task.examples(TEXTS)
    with torch.no_grad():
        alone, beside = (model(examples.collate(np.arange(n)))[0].softmax(0) for n in (1, 2))
    return float((alone - beside).abs().max())
