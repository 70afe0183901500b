"""The probe for leaks: files that give their class away, by design and one way at a time, and files that don't."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from support.image_sets import load, picture, save
from tithe.data.images import format_leak
from tithe.imaging.headers import Header, header

Array = np.ndarray[Any, np.dtype[Any]]
HEADER = Header("JPEG", 640, 480, "RGB", 8, 1, False, None, 90, False)
Probe = tuple[Array, Array, Array]


def alike(count: int, seed: int, **given_away: Callable[[int], Any]) -> Probe:
    """Return features, labels and groups of files whose headers vary, but not with the class unless asked to."""
    rng = np.random.default_rng(seed)
    labels_N = np.arange(count) % 2
    headers = []
    for label in labels_N.tolist():
        width, height = (int(side) for side in rng.integers(200, 900, 2))
        varied = HEADER._replace(
            width=width,
            height=height,
            format=str(rng.choice(["JPEG", "PNG"])),
            quality=int(rng.integers(60, 96)),
            has_exif=bool(rng.random() < 0.5),
        )
        headers.append(varied._replace(**{name: value(label) for name, value in given_away.items()}))
    return format_leak.format_features(headers), labels_N, np.arange(count)


@pytest.mark.parametrize("seed", range(5))
def test_nothing_to_tell_is_near_one_half(seed: int) -> None:
    auc = format_leak.probe(*alike(600, seed), seed=seed)
    assert auc == pytest.approx(0.5, abs=0.1)


LEAKS: dict[str, Callable[[int], Any]] = {
    "format": lambda label: "JPEG" if label else "PNG",
    "quality": lambda label: 75 if label else 92,
    "mode": lambda label: "RGBA" if label else "RGB",
    "bits": lambda label: 16 if label else 8,
    "has_alpha": bool,
    "frames": lambda label: 1 + label,
    "has_exif": bool,
    "orientation": lambda label: 1 if label else None,
    "width": lambda label: 1024 if label else 500,
}


@pytest.mark.parametrize("name", LEAKS)
def test_each_planted_leak_is_found(name: str) -> None:
    assert format_leak.probe(*alike(200, 0, **{name: LEAKS[name]}), seed=0) == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("size", [(512, 576), (500, 500)], ids=["multiples of 64", "square"])
def test_sizes_of_generators_are_found_among_sizes_around_them(size: tuple[int, int]) -> None:
    """They lie in the middle of what photographs measure: no line in width and height parts them."""
    _, labels, groups = alike(400, 0)
    rng = np.random.default_rng(0)
    sides = [size if label else tuple(rng.integers(400, 640, 2).tolist()) for label in labels.tolist()]
    headers = [HEADER._replace(width=w, height=h) for w, h in sides]
    assert format_leak.probe(format_leak.format_features(headers), labels, groups, seed=0) > 0.98  # type: ignore[operator]


def test_real_files(tmp_path: Path) -> None:
    """The same pictures, as JPEG and PNG by their class, and as JPEG all of them."""
    rng = np.random.default_rng(0)
    features: dict[str, list[Any]] = {"mixed": [], "same": []}
    labels = np.arange(120) % 2
    for i, label in enumerate(labels.tolist()):
        image = Image.fromarray(rng.integers(0, 256, (40, 40, 3), dtype=np.uint8))
        quality = int(rng.integers(70, 96))
        for kind, format_ in (("mixed", "PNG" if label else "JPEG"), ("same", "JPEG")):
            file = BytesIO()
            image.save(file, format_, quality=quality)
            path = tmp_path / f"{i}"
            path.write_bytes(file.getvalue())
            features[kind].append(header(path))
    found = {
        kind: format_leak.probe(format_leak.format_features(files), labels, np.arange(120), seed=0)
        for kind, files in features.items()
    }
    assert found["mixed"] == 1
    assert found["same"] == pytest.approx(0.5, abs=0.15)


def test_a_group_is_not_judged_by_its_own() -> None:
    """Each source has one size and one class: sizes would give the class away, were a source in two folds."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), 10)
    labels = groups % 2
    own = rng.normal(size=(40, 60))[groups]
    apart = format_leak.probe(own, labels, groups, seed=0)
    together = format_leak.probe(own, labels, np.arange(400), seed=0)
    assert together == pytest.approx(1, abs=0.01)
    assert apart == pytest.approx(0.5, abs=0.2)


def test_twins_share_a_fold_and_are_compared() -> None:
    features, labels, _ = alike(200, 0, format=LEAKS["format"])
    assert format_leak.probe(features, labels, np.arange(200) // 2, seed=0) == 1


def test_the_seed_decides() -> None:
    question = alike(200, 0)
    assert format_leak.probe(*question, seed=1) == format_leak.probe(*question, seed=1)
    assert len({format_leak.probe(*question, seed=seed) for seed in range(4)}) == 4


@pytest.mark.parametrize(
    ("labels", "groups"),
    [([0] * 6, range(6)), ([0, 1], [0, 0]), ([0, 1, 0, 1], [0] * 4), ([0, 1], [0, 1])],
    ids=["one class", "one pair", "one source", "one of each"],
)
def test_too_little_to_say(labels: list[int], groups: list[int]) -> None:
    features = np.zeros((len(labels), 3))
    assert format_leak.probe(features, np.array(labels), np.array(groups), seed=0) is None


def test_the_features_of_one_file() -> None:
    one = format_leak.format_features([HEADER])
    assert one.dtype == np.float64 and one.ndim == 2 and len(one) == 1 and np.isfinite(one).all()


@pytest.mark.parametrize(("suffix", "leaks"), [(".png", True), (".jpg", False)])
def test_a_format_for_each_class_is_warned_of(
    tmp_path: Path, suffix: str, leaks: bool, caplog: pytest.LogCaptureFixture
) -> None:
    for i in range(40):
        save(tmp_path / f"real/{i}.jpg", picture(i))
        save(tmp_path / f"fake/{i}{suffix}", picture(100 + i))
    for _ in range(2):  # what was found is in the cache, and said again
        caplog.clear()
        probe = load(tmp_path).report["splits"]["format_leak"]
        assert (probe["auc"] == 1.0, probe["images"]) == (leaks, 64)
        warning = (
            "the format alone separates the classes (AUC 1.000): a model may learn the format instead of the content"
        )
        assert (warning in caplog.text) is leaks


def test_what_chance_may_bring_is_not_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for i in range(10):
        save(tmp_path / f"real/{i}.{'jpg' if i < 6 else 'png'}", picture(i))
        save(tmp_path / f"fake/{i}.png", picture(100 + i))
    probe = load(tmp_path).report["splits"]["format_leak"]
    assert 0.6 < probe["auc"] < probe["chance"] and "the format alone" not in caplog.text
