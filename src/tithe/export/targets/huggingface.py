"""A model that transformers opens: `config.json`, `model.safetensors` and the tokenizer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tithe.arrays import Array
from tithe.errors import InputError, TitheError
from tithe.export import modeling_tithe
from tithe.export.inputs import Network
from tithe.export.source import Source
from tithe.models.classifier import Classifier
from tithe.models.heads import native
from tithe.models.heads.native import NativeHead
from tithe.storage import files
from tithe.tasks import TextTask

PACKAGES = ("torch", "transformers")
AT_ONCE = 32
TOLERANCE = 1e-3
# The code of a model with tithe's own head; the file in the folder is a copy of the module that runs here.
CODE = Path(modeling_tithe.__file__)
_CLASS = modeling_tithe.TitheForSequenceClassification


def write(source: Source, folder: Path) -> None:
    """Write a model of the encoder's own class, or of the class whose code travels in the folder."""
    if not isinstance(source.model, Classifier) or not isinstance(source.task, TextTask):
        raise InputError("--to huggingface is for texts, transformers has no such detector of images: use --to onnx")
    model = _stock(source, source.task) if isinstance(source.model.head, NativeHead) else _own(source, source.task)
    model.save_pretrained(folder)
    if isinstance(model, _CLASS):
        files.write_text(folder / CODE.name, CODE.read_text(encoding="utf-8"))
    source.save_tokenizer(folder)


def open(folder: Path) -> Network:
    """Return the model, of the library's class or of this version's own; other code in a folder is never run.

    Raises
    ------
    TitheError
        The code in the folder is not that of this version.
    """
    from transformers import AutoModelForSequenceClassification

    code = folder / CODE.name
    if code.exists() and code.read_bytes() != CODE.read_bytes():
        raise TitheError(f"{code} is not the code of this version of tithe, and is not run: export again")
    loader = _CLASS if code.exists() else AutoModelForSequenceClassification
    with torch.random.fork_rng(devices=[]):
        model = loader.from_pretrained(folder, dtype=torch.float32).eval()

    def network(batch: Mapping[str, Array]) -> Array:
        with torch.inference_mode():
            logits_BC: Array = model(**{name: torch.from_numpy(value) for name, value in batch.items()}).logits.numpy()
        return logits_BC

    return network


def usage(folder: Path) -> str:
    """Return how a pipeline opens it."""
    trust = ", trust_remote_code=True" if (folder / CODE.name).exists() else ""
    return (
        "from transformers import pipeline\n\n"
        f'classify = pipeline("text-classification", model="FOLDER"{trust})\n'
        'classify(["a text", "another one"], truncation=True, batch_size=32)'
    )


def _stock(source: Source, task: TextTask) -> Any:
    """Return the library's classifier with the weights of the encoder and of its native head."""
    from transformers import AutoModelForSequenceClassification

    assert isinstance(source.model, Classifier)
    model = _empty(AutoModelForSequenceClassification.from_config, source.named(task.encoder))
    model.load_state_dict(native.weights(source.model))
    return model


def _own(source: Source, task: TextTask) -> Any:
    """Return a model of the class in `modeling_tithe.py`."""
    assert isinstance(source.model, Classifier)
    layers = [layer for layer in source.model.head.children() if isinstance(layer, nn.Linear)]
    configuration = modeling_tithe.TitheConfig(
        encoder={**task.encoder.to_dict(), "dtype": "float32"},
        pooling=source.model.pooling,
        width=layers[0].in_features,
        hidden_dim=layers[0].out_features if len(layers) > 1 else None,
    )
    configuration.auto_map = {
        "AutoConfig": f"{CODE.stem}.{modeling_tithe.TitheConfig.__name__}",
        "AutoModelForSequenceClassification": f"{CODE.stem}.{_CLASS.__name__}",
    }
    configuration.pad_token_id = task.tokenizer.pad_token_id
    model = _empty(_CLASS, source.named(configuration))
    model.encoder.load_state_dict(source.model.encoder.state_dict())
    own = [layer for layer in model.head if isinstance(layer, nn.Linear)]
    for layer, trained in zip(own, layers, strict=True):
        layer.load_state_dict(trained.state_dict())
    return model


def _empty(make: Any, configuration: Any) -> Any:
    """Return a model whose random weights are to be replaced, without a draw from the caller's random numbers."""
    with torch.random.fork_rng(devices=[]):
        return make(configuration)
