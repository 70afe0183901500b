"""What harmless processing does to trained detectors: JPEG, other sizes, blur, and screenshots of a real browser.

Takes runs of `tithe train`, one for each mode, all of the same data set. Every line of the table is one kind of
processing, applied to the test images of the run, real ones and fakes alike.
"""

from __future__ import annotations

import argparse
import logging
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from common import publish, stamp

from tithe.arrays import Array
from tithe.cli.options import quiet_libraries
from tithe.evaluate.checkpoint import own_splits
from tithe.evaluate.robustness import AS_IT_IS
from tithe.imaging import degradations
from tithe.metrics import authenticity
from tithe.models.examples import Photographs
from tithe.predict import TrainedModel, load
from tithe.predict.images import score_images

_BROWSER = "screenshot of Chromium, {:.0%}"
_SHARES = (1.0, 0.8, 0.5)  # of the width at which a page shows a picture
_AT_ONCE = 12  # pictures of one page
_FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--force-device-scale-factor=1"),
    *("--disable-background-networking", "--no-first-run", "--disable-sync", "--disable-component-update"),
)


class Line(NamedTuple):
    """What is left of a detector: its AUC, fakes caught at 5 % of false alarms, real ones called fake at 0.5."""

    auc: float | None
    caught: float | None
    alarms: float | None


def _line(labels_N: Array, scores_N: Array) -> Line:
    summary = authenticity.summary(labels_N, scores_N)
    return Line(summary["auc"], summary["tpr_at_fpr_5"], summary["fpr"])


def _sample(trained: TrainedModel, most: int) -> Photographs:
    """Return the test images of a run, or an even sample of them with as many of each class."""
    splits = own_splits(trained, "keep the data set")
    examples = trained.task.encode(splits.rows).take(splits.test)
    assert isinstance(examples, Photographs)
    rng, half = np.random.default_rng(0), most // 2
    rows = [rng.permutation(np.flatnonzero(examples.labels == label))[:half] for label in (0, 1)]
    return examples.take(np.sort(np.concatenate(rows)))


def measured(trained: TrainedModel, sample: Photographs) -> Iterator[tuple[str, Line]]:
    """Yield what each kind of processing leaves of a detector."""
    for name in (AS_IT_IS, *degradations.NAMES):
        changed = sample.changed(None if name == AS_IT_IS else name)
        yield name, _line(sample.labels, trained.probabilities(changed)[:, 1])
    for share in _SHARES:
        with tempfile.TemporaryDirectory() as folder:
            files = list(_screenshots(sample, share, Path(folder)))
            scores = [score.score for score in score_images(trained, files, trained.rows_at_once)]
        yield _BROWSER.format(share), _line(sample.labels, np.array(scores, dtype=np.float64))


def _screenshots(sample: Photographs, share: float, folder: Path) -> Iterator[Path]:
    """Yield a file for each image: what a browser shows of it, in a share of its width."""
    for first in range(0, len(sample), _AT_ONCE):
        images = [sample.whole(row) for row in range(first, min(first + _AT_ONCE, len(sample)))]
        sizes = [(round(image.shape[1] * share), round(image.shape[0] * share)) for image in images]
        tags = []
        for place, (image, (width, height)) in enumerate(zip(images, sizes, strict=True)):
            cv2.imwrite(str(folder / f"{place}.png"), image[..., ::-1])
            tags.append(f'<img src="{place}.png" style="width:{width}px;height:{height}px">')
        shown = _shot(folder, tags, sizes)
        top = 0
        for place, (width, height) in enumerate(sizes, start=first):
            file = folder / f"shot_{place:05d}.png"
            cv2.imwrite(str(file), shown[top : top + height, :width])
            top += height
            yield file


def _shot(folder: Path, tags: Sequence[str], sizes: Sequence[tuple[int, int]]) -> Array:
    """Return a picture of a page with images below one another, BGR."""
    style = "<style>body { margin:0 } img { display:block }</style>"
    (folder / "page.html").write_text(f"<!doctype html>{style}{''.join(tags)}", encoding="utf-8")
    window = f"--window-size={max(500, *(width for width, _ in sizes))},{sum(height for _, height in sizes)}"
    chromium = shutil.which("chromium") or "chromium"
    command = [chromium, *_FLAGS, window, f"--user-data-dir={folder}/profile", f"--screenshot={folder}/page.png"]
    subprocess.run([*command, (folder / "page.html").as_uri()], check=True, capture_output=True)
    shown: Array = cv2.imread(str(folder / "page.png"))
    return shown


def _cell(line: Line) -> str:
    return " / ".join("–" if value is None else f"{value:.3f}" for value in line)


def main() -> None:
    """Score, publish."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, action="append", required=True, help="a run; repeat it for each mode")
    parser.add_argument("--images", type=int, default=200, help="test images, half of each class")
    parser.add_argument("--remark", default="", help="a sentence on how the numbers were produced")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    columns: dict[str, dict[str, Line]] = {}
    with quiet_libraries():
        for run in arguments.run:
            trained = load(run)
            sample = _sample(trained, arguments.images)
            mode = trained.run.images.mode
            columns[mode if mode not in columns else run.name] = dict(measured(trained, sample))
            print(f"{mode}: {len(sample)} images", flush=True)
    page = [
        "# What harmless processing leaves of a detector",
        "",
        stamp(),
        "",
        *([arguments.remark, ""] if arguments.remark else []),
        f"At most {arguments.images} test images, half of them real. AUC / fakes caught where 5 % of real images are "
        "called fake / real images called fake at a score of 0.5. `resize` is the whole picture in another size before "
        "it is cropped; `screenshot` a picture of four fifths of its size, saved as JPEG; the last lines are pictures "
        "of pages in a real browser, as PNG.",
        "",
        f"| | {' | '.join(columns)} |",
        f"|---|{'---|' * len(columns)}",
        *(
            f"| {name} | {' | '.join(_cell(lines[name]) for lines in columns.values())} |"
            for name in next(iter(columns.values()))
        ),
    ]
    publish("authenticity_robustness", "\n".join(page) + "\n")


if __name__ == "__main__":
    main()
