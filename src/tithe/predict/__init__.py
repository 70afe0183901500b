"""Load a trained classifier and predict with it."""

from __future__ import annotations

from tithe.predict.model import Prediction, TrainedModel, load
from tithe.predict.stream import TextInput, predict_stream, read_texts
from tithe.predict.writers import check_output, write

__all__ = [
    "Prediction",
    "TextInput",
    "TrainedModel",
    "check_output",
    "load",
    "predict_stream",
    "read_texts",
    "write",
]
