"""Load a trained classifier and predict with it."""

from __future__ import annotations

from tithe.predict.explanation import Explanation
from tithe.predict.files import predict_files
from tithe.predict.inputs import TextInput, is_lines
from tithe.predict.kept_columns import jsonable
from tithe.predict.model import TrainedModel
from tithe.predict.opening import load
from tithe.predict.prediction import Prediction, class_column
from tithe.predict.stream import Answering, Predictions, explain_stream, predict_stream, score_stream
from tithe.predict.writers import check_output, is_folder, write

__all__ = [
    "Answering",
    "Explanation",
    "Prediction",
    "Predictions",
    "TextInput",
    "TrainedModel",
    "check_output",
    "class_column",
    "explain_stream",
    "is_folder",
    "is_lines",
    "jsonable",
    "load",
    "predict_files",
    "predict_stream",
    "score_stream",
    "write",
]
