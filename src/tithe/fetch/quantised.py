"""Encoders out of quantised ONNX files in packages: a model folder of float32 weights, made once and kept in the cache.

Such a file has the weights as 8-bit integers, with a scale and a zero point for each tensor or each of its columns.
They become float32 numbers of the same values, in a folder that the transformers library opens. Unlike the file itself,
whose integer products round the states by the largest one of a batch, its answer to an input depends on no other.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tithe import plugins, storage
from tithe.arrays import Array
from tithe.fetch import downloads, packages
from tithe.fetch.packages import Package
from tithe.storage import cache

if TYPE_CHECKING:
    import onnx

logger = logging.getLogger("tithe")

_QUANTISED, _SCALE, _ZERO = "_quantized", "_scale", "_zero_point"


@dataclass(frozen=True)
class Encoder:
    """An encoder that a package carries.

    Attributes
    ----------
    name
        What users call it.
    package
        The package, and its members.
    licence
        One line to show.
    write
        Writes the model folder, of the members' contents.
    """

    name: str
    package: Package
    licence: str
    write: Callable[[Path, list[bytes]], None]

    @property
    def place(self) -> Path:
        """The folder in the cache, which may not exist."""
        return storage.cache_dir() / cache.ENCODERS / self.name

    @property
    def is_whole(self) -> bool:
        """Whether it is in the cache as it was written."""
        return not storage.broken_files(self.place)

    def fetch(self) -> Path:
        """Return the folder, made the first time out of a download.

        Raises
        ------
        InputError
            The package `onnx`, which reads the file, is not installed.
        TitheError
            The download failed, or has another checksum.
        """
        if self.is_whole:
            return self.place
        if not plugins.installed("onnx"):
            plugins.require("onnx", extra="onnx")
        logger.info("fetching %s from %s: %s", self.name, self.package.requirement, self.licence)
        with storage.beside(self.place.with_suffix(".download"), Path.mkdir) as aside:
            contents = packages.members(self.package, self.name, aside)
        with storage.atomic_folder(self.place) as aside:
            self.write(aside, contents)
            origin = {"source": self.package.requirement, "licence": self.licence, "sha256": self.package.sha256}
            storage.write_json(aside / "origin.json", origin)
        return self.place

    def copy(self, folder: Path) -> Path:
        """Copy it into a folder; see `downloads.copy_folder`."""
        return downloads.copy_folder(self.place, folder / self.name)


def tensors(model: onnx.ModelProto, is_kept: Callable[[str], bool]) -> dict[str, Array]:
    """Return the weights of a quantised network by their names in transformers, in float32.

    A tensor X is stored as `X_quantized`, `X_scale` and `X_zero_point`. Matrices of products are transposed and have
    numbers for names; the node that multiplies by one has the name of its layer.

    Parameters
    ----------
    is_kept
        Whether a tensor of this name, which is not quantised, is a weight.
    """
    from onnx import numpy_helper

    stored = {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}
    names = [name.removesuffix(_QUANTISED) for name in stored if name.endswith(_QUANTISED)]
    products = [node for node in model.graph.node if node.op_type == "MatMulInteger"]
    layers = {node.input[1].removesuffix(_QUANTISED): _layer(node.output[0]) for node in products}
    found = {name: np.array(array) for name, array in stored.items() if is_kept(name)}
    for name in names:
        value = (stored[name + _QUANTISED].astype(np.float32) - stored[name + _ZERO]) * stored[name + _SCALE]
        layer = layers.get(name)
        found[f"{layer}.weight" if layer else name] = np.ascontiguousarray(value.T if layer else value, np.float32)
    return found


def _layer(output: str) -> str:
    """Return the layer of a product: `/encoder/layer.0/output/dense/MatMul_…` is `encoder.layer.0.output.dense`."""
    return output.split("/MatMul_")[0].strip("/").replace("/", ".")
