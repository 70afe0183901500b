"""Small sets of images on disk, listed or in folders, and what became of them once they are loaded."""

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from tithe import config, storage
from tithe.data import images
from tithe.data.splits import Splits

Row = Mapping[str, Any]
PARTS = ("train", "val", "test")


def picture(number: int, side: int = 32) -> Any:
    """A smooth picture like no other."""
    coarse = np.random.default_rng(number).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return cv2.resize(coarse, (side, side + 8), interpolation=cv2.INTER_CUBIC)


def save(path: Path, image: Any, *options: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image, options)
    return path


def folder(root: Path, count: int = 20, suffix: str = ".png") -> Path:
    """A folder of as many real images as fake ones."""
    for i in range(count):
        save(root / f"real/{i:03}{suffix}", picture(2 * i))
        save(root / f"fake/{i:03}{suffix}", picture(2 * i + 1))
    return root


def listed(root: Path, rows: Sequence[Row]) -> Path:
    """A CSV, and an image of its own for every path that is not there yet."""
    for number, row in enumerate(rows):
        if not (root / row["path"]).exists():
            save(root / row["path"], picture(number))
    with (root / "labels.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, fieldnames=list(dict.fromkeys(key for row in rows for key in row)))
        table.writeheader()
        table.writerows(rows)
    return root


def load(path: Path, seed: int = 0, max_pixels: int = 64_000_000, **settings: Any) -> Splits:
    return images.load_images(config.Data(path=str(path), **settings), config.Images(max_pixels=max_pixels), seed)


def rows_of(splits: Splits) -> dict[str, list[dict[str, Any]]]:
    """All that is known of each image, by split; `left_out` holds those in none."""
    table = splits.rows.table.to_pylist()
    found = {part: [table[i] for i in getattr(splits.split, part)] for part in PARTS}
    inside = {row["input"] for rows in found.values() for row in rows}
    return {**found, "left_out": [row for row in table if row["input"] not in inside]}


def paths_of(splits: Splits) -> dict[str, set[str]]:
    return {part: {row["input"] for row in rows} for part, rows in rows_of(splits).items()}


def dropped(splits: Splits) -> dict[str, str]:
    return {line["path"]: line["reason"] for line in storage.read_lines(splits.dropped)}


def account_adds_up(splits: Splits) -> bool:
    report, lines = splits.report, storage.read_lines(splits.dropped)
    files = [line for line in lines if line["reason"] != "held_out"]
    ids = sorted([line["row"] for line in files] + splits.rows.ids.tolist())
    return bool(
        report["rows_read"] == report["rows_kept"] + sum(report["dropped"].values())
        and report["dropped"] == dict(Counter(line["reason"] for line in files))
        and report["rows_kept"] == len(splits.rows) == sum(report["classes"].values())
        and ids == list(range(report["rows_read"]))
        and report["splits"]["left_out"] == len(lines) - len(files)
    )


def given(counts: Mapping[str, int], **more: Any) -> list[Row]:
    return [
        {"path": f"{part}{i}.png", "label": ("real", "fake")[i % 2], "split": part} | more
        for part, count in counts.items()
        for i in range(count)
    ]


def generated(reals: int, fakes: Mapping[str, int], **more: Any) -> list[Row]:
    rows: list[Row] = [{"path": f"real/{i}.png", "label": "real"} for i in range(reals)]
    return rows + [
        {"path": f"{g}/{i}.png", "label": "fake", "generator": g} for g, count in fakes.items() for i in range(count)
    ]
