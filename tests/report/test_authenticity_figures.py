"""Pictures of scores, calibrations, generators and changes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from support.scores import Array, drawn
from tithe.errors import InputError
from tithe.imaging import degradations
from tithe.metrics.calibration import calibrate
from tithe.report import authenticity_figures
from tithe.report.palette import BAND, FAKE, REAL

pytestmark = pytest.mark.usefixtures("real_figures")

HOSTILE = ["_gan", "$x_1$", "a very long name of a generator", "сеть"]


def pixels(path: Path) -> Array:
    with Image.open(path) as image:
        assert image.format == "PNG" and all(150 <= side <= 3000 for side in image.size)
        return np.asarray(image.convert("RGB"))


def count(picture_HW3: Array, tone: str) -> int:
    """Count the pixels of just this colour."""
    return int((picture_HW3 == [int(tone[i : i + 2], 16) for i in (1, 3, 5)]).all(axis=2).sum())


def has(picture_HW3: Array, tone: str) -> bool:
    return count(picture_HW3, tone) > 0


@pytest.mark.parametrize("labels", [[0, 1] * 50, [1] * 100, [0] * 100], ids=["both", "reals", "fakes"])
def test_the_histogram_shows_the_classes_that_there_are(tmp_path: Path, labels: list[int]) -> None:
    authenticity_figures.histogram(tmp_path / "h.png", np.array(labels), np.linspace(0, 1, 100))
    found = pixels(tmp_path / "h.png")
    assert has(found, FAKE) == (0 in labels)
    assert has(found, REAL) == (1 in labels)


@pytest.mark.parametrize("apart", [0.5, 9.0], ids=["a band", "one threshold"])
def test_pictures_of_a_calibration(tmp_path: Path, apart: float) -> None:
    labels_N, scores_N = drawn(0, decimals=6, apart=apart)
    found = calibrate(labels_N, scores_N)
    assert (found.low < found.high) == (apart < 1)
    authenticity_figures.histogram(tmp_path / "h.png", labels_N, scores_N, found)
    assert (count(pixels(tmp_path / "h.png"), BAND) > 9000) == (apart < 1)
    authenticity_figures.reliability(tmp_path / "r.png", labels_N, scores_N, found)
    assert has(pixels(tmp_path / "r.png"), REAL)


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("generators", [HOSTILE, [f"number {i}" for i in range(17)]], ids=["hostile", "many"])
def test_pictures_of_generators(tmp_path: Path, generators: list[str], log: bool) -> None:
    labels_N, scores_N = drawn(0)
    names = np.random.default_rng(0).choice(generators, len(labels_N))
    authenticity_figures.roc(tmp_path / "roc.png", labels_N, scores_N, names, log)
    assert has(pixels(tmp_path / "roc.png"), REAL)


@pytest.mark.parametrize("label", [0, 1])
def test_a_roc_of_one_class_says_that_there_is_none(tmp_path: Path, label: int) -> None:
    authenticity_figures.roc(tmp_path / "roc.png", np.full(3, label), np.array([0.1, 0.5, 0.9]), ["a"] * 3, log=True)
    assert not has(pixels(tmp_path / "roc.png"), REAL)


TABLES = [
    {"none": {"auc": 0.99, "fpr": 0.01}, "jpeg_60": {"auc": 0.3, "fpr": 1.0}, "half_double_bicubic_2": {"auc": 0.9}},
    {"none": {"auc": None, "fpr": 0.2}, "blur_1": {"auc": None, "fpr": 0.3}},
    {"none": {"auc": 1.0, "fpr": 0.0}},
]


@pytest.mark.parametrize("table", TABLES)
def test_pictures_of_robustness(tmp_path: Path, table: dict[str, dict[str, float | None]]) -> None:
    whole = {name: {"fpr": 0.5, **line} for name, line in table.items()}
    authenticity_figures.robustness(tmp_path / "r.png", whole)
    found = pixels(tmp_path / "r.png")
    assert has(found, FAKE)
    assert has(found, REAL) == (table["none"]["auc"] is not None)


@pytest.mark.parametrize("images", [0, 1, 7])
def test_a_contact_sheet_frames_images_in_the_colour_of_their_class(tmp_path: Path, images: int) -> None:
    grey = [np.full((8 + i, 200, 3), 100 + i, dtype=np.uint8) for i in range(images)]
    labels_B, names = np.arange(images) % 7 // 6, (HOSTILE * 2)[:images]
    authenticity_figures.contact_sheet(
        tmp_path / "s.png", grey, labels_B, np.full(images, 0.5), names, r"Of $\frac$ all"
    )
    found = pixels(tmp_path / "s.png")
    assert has(found, FAKE) == (images > 0)
    assert has(found, REAL) == (images > 6)
    assert all(has(found, f"#{3 * f'{100 + i:02x}'}") for i in range(images))


def test_pictures_of_nothing_leave_no_file(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        authenticity_figures.histogram(tmp_path / "h.png", np.array([]), np.array([]))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("known", [("auc", "fpr"), ("fpr",), ("auc",), ()])
def test_a_sweep_without_numbers_is_drawn_where_there_are_some(tmp_path: Path, known: tuple[str, ...]) -> None:
    table = {
        name: {"auc": None, "fpr": None, **dict.fromkeys(known, 0.7)} for name in ("as it is", *degradations.NAMES)
    }
    authenticity_figures.robustness(tmp_path / "sweep.png", table)
    with Image.open(tmp_path / "sweep.png") as picture:
        rows = np.flatnonzero((np.asarray(picture.convert("L")) < 250).any(axis=1))
        assert rows[0] < 0.03 * picture.height and rows[-1] > 0.96 * picture.height  # no picture beside the picture
