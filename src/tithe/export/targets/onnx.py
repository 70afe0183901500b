"""An ONNX graph in float32."""

from __future__ import annotations

from pathlib import Path

from tithe.export import graph
from tithe.export.inputs import Network
from tithe.export.source import Source

PACKAGES = ("torch", "transformers", "onnx", "onnxruntime")
AT_ONCE = 32
TOLERANCE = 1e-3


def write(source: Source, folder: Path) -> None:
    """Write the graph, and the files that prepare its inputs."""
    graph.write(source, folder)


def open(folder: Path) -> Network:
    """Return the graph, run by onnxruntime."""
    return graph.open_graph(folder / graph.FILE)


def usage(folder: Path) -> str:
    """Return how onnxruntime runs it."""
    return graph.usage(folder, AT_ONCE)
