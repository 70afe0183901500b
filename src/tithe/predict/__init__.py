"""Load a trained classifier and predict with it."""

from __future__ import annotations

from tithe.predict.model import Prediction, TrainedModel, load
from tithe.predict.stream import TextInput, predict_stream, read_texts
from tithe.predict.writers import write

__all__ = [
    "Prediction",
    "TextInput",
    "TrainedModel",
    "load",
    "predict_stream",
    "read_texts",
    "write",
]
