"""tithe: train classifiers on all of the data, or on the tenth of it that matters, and prove what was done.

The public face, loaded when first touched, so that `import tithe` costs nothing:

- `train(run, overwrite=False)`: one run, from data to report; `run` is a config: a file, a dict or a `Run`
- `predict(checkpoint, inputs)`: a `Prediction` for each text, or each image
- `load(checkpoint)`: a trained classifier, for more than one call of its `predict`, `predict_proba`, `explain`, `embed`
- `evaluate(checkpoint, data=None)`: its scores on the rows that the run held out, or on a labelled file
- `select(source, strategy, budget)`: the rows of a file, or of a config, that a strategy keeps
- `label(pool, labelled, rows)`: the rows of an unlabelled file to label next, and a page on which to label them
- `read_config(source, overrides)`: a config as a `Run`
- `TitheClassifier(encoder, …)`: a scikit-learn estimator whose `fit` is a run
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "train": "pipeline.train",
    "predict": "predict.opening.predict",
    "load": "predict.opening.load",
    "evaluate": "evaluate.checkpoint.evaluate",
    "select": "select.entry.select",
    "label": "select.buying.label.label",
    "read_config": "config.load",
    "Run": "config.Run",
    "TitheClassifier": "estimator.TitheClassifier",
}
__all__ = [
    "Run",
    "TitheClassifier",
    "__version__",
    "evaluate",
    "label",
    "load",
    "predict",
    "read_config",
    "select",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'tithe' has no attribute '{name}'")
    module, _, attribute = _PUBLIC[name].rpartition(".")
    return getattr(importlib.import_module(f"tithe.{module}"), attribute)


class _Package(ModuleType):
    """Keeps `tithe.train` the function: importing the room of that name would put the room in its place.

    The room is found by `from tithe.train import …`, which needs no attribute. The same holds for predict, evaluate and
    select.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _PUBLIC and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
