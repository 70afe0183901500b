"""Networks as ONNX graphs: traced by torch, run by onnxruntime."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from tithe import plugins, storage
from tithe.arrays import Array
from tithe.errors import InputError
from tithe.export import inputs
from tithe.export.inputs import Network
from tithe.export.source import Source
from tithe.models import kernels, padding, vocabulary
from tithe.tasks import ImageTask, TextTask

FILE = "model.onnx"
_EXTRA = "onnx"
_LARGEST = 1 << 30  # bytes of weights in the file of the graph: it may have 2 GB at most, the rest is beside it


class _OfTexts(nn.Module):
    """The network with a tensor for each input of the graph."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = self.model({"input_ids": input_ids, "attention_mask": attention_mask})
        return outputs


class _OfImages(nn.Module):
    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, crops: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = self.model({"images": crops})
        return outputs


def write(source: Source, folder: Path, file: str = FILE) -> None:
    """Write the graph of a network in float32, with dynamic batches and lengths, and what prepares its inputs.

    Raises
    ------
    InputError
        A package is missing, or ONNX can't express this network.
    """
    for package in ("onnxscript", "onnx", "onnxruntime"):
        plugins.require(package, _EXTRA)
    if isinstance(source.task, TextTask):
        graph: nn.Module = _OfTexts(source.model)
        example, shapes = _texts(source.task)
        source.save_tokenizer(folder)
        source.named(source.task.encoder).save_pretrained(folder)
    else:
        assert isinstance(source.task, ImageTask)
        graph = _OfImages(source.model)
        example, shapes = _images(source)
        inputs.save_crops(source.run.images, folder)
    _trace(graph, example, shapes, folder / file, optimize=isinstance(source.task, TextTask))


def _texts(task: TextTask) -> tuple[dict[str, torch.Tensor], Any]:
    batch = task.examples(padding.SHORT_AND_LONG).collate(np.arange(2))
    free = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    names = ("input_ids", "attention_mask")
    return {name: batch[name] for name in names}, dict.fromkeys(names, free)


def _images(source: Source) -> tuple[dict[str, torch.Tensor], Any]:
    size, count = source.run.images.size, source.run.images.crops
    example = torch.zeros((2, count, 3, size, size), dtype=torch.uint8)
    return {"crops": example}, {"crops": {0: torch.export.Dim.DYNAMIC}}


def _trace(graph: nn.Module, example: dict[str, torch.Tensor], shapes: Any, path: Path, optimize: bool) -> None:
    """Write a graph; to optimise folds weights, as int8 needs, but also drops the detector's additions of 1e-8."""
    with quiet(), torch.random.fork_rng(devices=[]):
        try:
            try:
                _write(graph.eval(), example, shapes, path, optimize)
            except Exception:  # of fused attention with a bias, as T5 has
                if not kernels.attend_plainly(graph):
                    raise
                _write(graph, example, shapes, path, optimize)
        except Exception as error:  # whatever tracing a network raises
            raise InputError(
                f"ONNX can't express this network ({vocabulary.reason(_cause(error))}): choose another --to"
            ) from None


def _write(graph: nn.Module, example: dict[str, torch.Tensor], shapes: Any, path: Path, optimize: bool) -> None:
    weights = sum(value.numel() * value.element_size() for value in graph.state_dict().values())
    # Traced here, and once: with a network, the next call would try slower ways after a failure.
    program = torch.export.export(graph, (), example, dynamic_shapes=shapes)
    torch.onnx.export(
        program,
        f=path,
        dynamo=True,
        input_names=list(example),
        output_names=["outputs"],
        external_data=weights > _LARGEST,
        optimize=optimize,
        verbose=False,
    )


def _cause(error: BaseException) -> Exception:
    """Return what torch wraps in its advice to its own developers."""
    while isinstance(error.__cause__, Exception):
        error = error.__cause__
    assert isinstance(error, Exception)
    return error


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep the notes of the libraries off the terminal, and their handlers out of the log of this process."""
    root, placeholder = logging.getLogger(), logging.NullHandler()
    disabled = root.manager.disable
    root.addHandler(placeholder)  # without one, their first note would make one that stays
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(action="ignore"), contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(disabled)
        root.removeHandler(placeholder)


def open_graph(path: Path) -> Network:
    """Return a graph run by onnxruntime on the CPU, with as many threads as torch has."""
    runtime = plugins.require("onnxruntime", _EXTRA)
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    try:
        session = runtime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # of a damaged file, or one that this version can't run
        raise InputError(f"{path} can't be opened ({vocabulary.reason(error)}): export it again") from None

    def network(batch: Mapping[str, Array]) -> Array:
        outputs: Array = session.run(None, dict(batch))[0]
        return outputs

    return network


def usage(folder: Path, at_once: int) -> str:
    """Return how a graph is used without tithe and without torch."""
    if (folder / inputs.CROPS).is_file():
        sizes = storage.read_json(folder / inputs.CROPS)["images"]
        shape = f"1, {sizes['crops']}, 3, {sizes['size']}, {sizes['size']}"
        return (
            "import numpy, onnxruntime\n\n"
            f'session = onnxruntime.InferenceSession("FOLDER/{FILE}")\n'
            f'crops = numpy.zeros(({shape}), "uint8")  # of your images, cut as described below\n'
            'outputs = session.run(None, {"crops": crops})[0]\n'
            "real = 1 / (1 + numpy.exp(-outputs[:, 0]))"
        )
    many = '["a text", "another one"]'
    alone = '["a text"]  # one text at a time: its answer would depend on others in the batch'
    return (
        "import json, onnxruntime, pathlib\n"
        "from transformers import AutoTokenizer\n\n"
        'tokenizer = AutoTokenizer.from_pretrained("FOLDER")\n'
        f'session = onnxruntime.InferenceSession("FOLDER/{FILE}")\n'
        'names = json.loads(pathlib.Path("FOLDER/config.json").read_text(encoding="utf-8"))["id2label"]\n'
        f"texts = {many if at_once > 1 else alone}\n"
        'encoded = tokenizer(texts, padding=True, truncation=True, return_tensors="np")\n'
        'inputs = {name: encoded[name].astype("int64") for name in ("input_ids", "attention_mask")}\n'
        "logits = session.run(None, inputs)[0]\n"
        "labels = [names[str(i)] for i in logits.argmax(axis=1)]"
    )
