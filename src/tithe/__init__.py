"""tithe: train classifiers on all of the data, or on the tenth of it that matters, and prove what was done.

The public face, loaded when first touched, so that `import tithe` costs nothing:

- `train(run, overwrite=False)`: one run, from data to report (`tithe.pipeline.train`)
- `load(checkpoint)`: a trained classifier with `predict(texts)` (`tithe.predict.load`)
- `read_config(path, overrides)`: a config file as a `Run` (`tithe.config.load`)
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "train": "pipeline.train",
    "load": "predict.load",
    "read_config": "config.load",
    "Run": "config.Run",
}
__all__ = ["Run", "__version__", "load", "read_config", "train"]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'tithe' has no attribute '{name}'")
    module, _, attribute = _PUBLIC[name].partition(".")
    return getattr(importlib.import_module(f"tithe.{module}"), attribute)


class _Package(ModuleType):
    """Keeps `tithe.train` the function: importing the room of that name would put the room in its place.

    The room is found by `from tithe.train import …`, which needs no attribute.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _PUBLIC and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
