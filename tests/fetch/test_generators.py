"""Generators out of packages: what is missing is one line, and a folder of faces is in the cache once."""

from __future__ import annotations

import resource
from pathlib import Path

import cv2
import numpy as np
import pytest

from tithe import plugins
from tithe.data import images
from tithe.errors import InputError
from tithe.fetch import generators
from tithe.imaging import folders


@pytest.mark.parametrize("module", ["openvino", "ncnn"])
def test_a_missing_library_is_one_line(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "installed", lambda name: name != module)
    with pytest.raises(InputError, match=rf"^{module} is not installed: pip install 'tithe\[generators\]'$"):
        next(generators.faces(1, 0)) if module == "openvino" else generators.upscaler("span")


def test_an_unknown_upscaler_is_one_line() -> None:
    with pytest.raises(InputError, match=r"^unknown upscaler 'realesrgam': did you mean 'realesrgan'\?$"):
        generators.upscaler("realesrgam")


def test_the_faces_are_fakes_of_a_gallery_and_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    face = np.full((64, 64, 3), (200, 100, 50), np.uint8)
    monkeypatch.setattr(generators, "faces", lambda count, seed: (face for _ in range(count)))
    folder = generators.fetch_faces(3)
    assert images.kind_of_folder(folder) == "images" and folders.has_pictures(folder)
    pictures = sorted(folder.glob("random-face/1_fake/*.png"))
    assert len(pictures) == 3
    assert cv2.imread(str(pictures[0])).tolist() == np.full((32, 32, 3), (50, 100, 200)).tolist()
    monkeypatch.setattr(generators, "faces", lambda count, seed: pytest.fail("made again"))
    assert generators.fetch_faces(3) == folder


def test_faces_that_the_disk_does_not_take_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    face = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    monkeypatch.setattr(generators, "faces", lambda count, seed: iter([face]))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))  # enough for the manifest, and not for the picture
    try:
        with pytest.raises(OSError):
            generators.fetch_faces(1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert cv2.imread(str(generators.fetch_faces(1) / "random-face/1_fake/0000.png")).shape == (32, 32, 3)


def test_each_upscaler_has_two_files_of_one_network() -> None:
    for name, upscaler in generators.UPSCALERS.items():
        parameters, weights = (Path(member) for member in upscaler.package.members)
        assert parameters.with_suffix("") == weights.with_suffix("") and weights.suffix == ".bin", name
