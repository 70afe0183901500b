"""An ONNX graph with 8-bit weights: smaller and faster on a CPU, and not quite the same classifier.

Dynamic quantisation scales the activations of a batch by its largest value, so that the answer to a text would depend
on the others in its batch: it runs one input at a time.
"""

from __future__ import annotations

from pathlib import Path

from tithe import plugins
from tithe.errors import InputError
from tithe.export import graph
from tithe.export.inputs import Network
from tithe.export.source import Source
from tithe.tasks import TextTask

PACKAGES = ("torch", "transformers", "onnx", "onnxruntime")
AT_ONCE = 1
TOLERANCE = None
_FLOAT = "float32.onnx"


def write(source: Source, folder: Path) -> None:
    """Write the graph with weights in 8 bits and a scale for each output channel, and what prepares its inputs.

    Raises
    ------
    InputError
        As `graph.write`; or it is a detector of images.
    """
    if not isinstance(source.task, TextTask):
        raise InputError("--to int8 is for texts, 8 bits lose what a detector of images looks for: use --to onnx")
    graph.write(source, folder, _FLOAT)
    quantization = plugins.require("onnxruntime.quantization", "onnx")
    with graph.quiet():
        # In 7 of the 8 bits: CPUs without VNNI add two products in 16 bits, which those of 8 bits overflow.
        quantization.quantize_dynamic(folder / _FLOAT, folder / graph.FILE, per_channel=True, reduce_range=True)
    for left in folder.glob(f"{_FLOAT}*"):
        left.unlink()


def open(folder: Path) -> Network:
    """Return the graph, run by onnxruntime."""
    return graph.open_graph(folder / graph.FILE)


def usage(folder: Path) -> str:
    """Return how onnxruntime runs it, one text at a time."""
    return graph.usage(folder, AT_ONCE)
