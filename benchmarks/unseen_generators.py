"""Detectors on generators that they were not trained on: modes by training sets by generators, three seeds.

The set is that of `unseen_set.py`. A training set has as many photographs as fakes, which are of one kind, or of
several, from which a family of generators is left out in turn; several give more of them. The best epoch, the
thresholds and the distance are chosen on the fakes of a generator that is neither trained on nor tested. Beside the
modes stand the trivial baseline, and a stack: a regression on the scores of two detectors, fitted on the validation
images.

The features of an encoder are computed once for all runs. Finished runs are kept: an interrupted benchmark resumes.
"""

from __future__ import annotations

import argparse
import csv
import logging
import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow.parquet as pq
import trivial_baseline
import unseen_set
from authenticity_photos import CACHE
from common import publish, stamp
from unseen_scores import Scores, cell, joined, stacked, unsure
from unseen_states import Store

from tithe import config, pipeline, storage
from tithe.cli.options import quiet_libraries
from tithe.evaluate import picture_baseline
from tithe.imaging.degradations import HARMLESS
from tithe.metrics.calibration import Calibration, calibrate
from tithe.report import canvas

FACES, AUTOENCODERS = (unseen_set.FACES,), unseen_set.AUTOENCODERS
PHOTOS, DRAWINGS = ("realesrgan", "span"), ("waifu2x", "realcugan")  # what the upscalers were trained for
FAMILIES = {"faces": FACES, "upscalers of photos": PHOTOS, "upscalers of drawings": DRAWINGS, "auto": AUTOENCODERS}
COLUMNS = (*((name,) for name in (*FACES, *PHOTOS, *DRAWINGS)), AUTOENCODERS)
STACK = "foundation + fast"
_PER_CLASS = {"autoencoders": 100, "faces": 100, "several": 200}  # training images: photographs, and as many fakes
_REALS, _FAKES = {"val": 70, "test": 157}, {"val": 30, "test": 45}  # photographs of a part, fakes of a generator in it
_VALIDATED, _INSTEAD = "vae", "span"  # whose fakes are validated on, and where the former is tested
# Epochs, rate, crop and further settings of each mode.
MODES: dict[str, dict[str, Any]] = {
    "fast": {"epochs": 8, "learning_rate": 1e-3, "images": {"size": 128, "crops": 4, "augment": "flips"}},
    "full": {"epochs": 8, "learning_rate": 3e-4, "images": {"size": 128, "crops": 4, "augment": "flips"}},
    "foundation": {"epochs": 60, "learning_rate": 1e-3, "images": {"crops": 1}},
}
_PIXELS = ("crops", "augment", "filters", "decode")
_SOURCES = {
    "pixels": ("train", "models/forensics", *(f"imaging/{name}.py" for name in _PIXELS)),
    "foundation": ("train", "models/foundation", "models/photographs.py", "imaging"),
}


class Training(NamedTuple):
    """A training set: what is trained on, validated on, and tested."""

    name: str
    trained: tuple[str, ...]
    validated: str
    tested: tuple[str, ...]


def trainings() -> Iterator[Training]:
    """Yield the training sets; of several generators there is one for each family that is left out."""
    everything = (*FACES, *PHOTOS, *DRAWINGS, *AUTOENCODERS)
    for name, own in (("autoencoders", AUTOENCODERS), ("faces", FACES)):
        trained = tuple(generator for generator in own if generator != _VALIDATED)
        yield Training(name, trained, _VALIDATED, tuple(g for g in everything if g not in (*own, _VALIDATED)))
    for family in FAMILIES.values():
        validated = _INSTEAD if _VALIDATED in family else _VALIDATED
        yield Training("several", tuple(g for g in everything if g not in (*family, validated)), validated, family)


def listed(folder: Path, training: Training) -> Path:
    """Write the list of a training set beside the images; return its path."""
    with (folder / "labels.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    of_part = {"train": training.trained, "val": (training.validated,), "test": training.tested}
    kept = [row for row in rows if row["label"] == "real" or row["generator"] in of_part[row["split"]]]
    fakes = {g: [r for r in kept if r["generator"] == g and r["split"] == "train"] for g in training.trained}
    per_class = _PER_CLASS[training.name]
    chosen = [row for own in fakes.values() for row in own[: -(-per_class // len(fakes))]]
    # The first crops of a part are of as many photographs.
    for part, count in {"train": per_class, **_REALS}.items():
        chosen += [row for row in kept if row["label"] == "real" and row["split"] == part][:count]
    for part in ("val", "test"):
        for generator in of_part[part]:
            chosen += [row for row in kept if row["generator"] == generator and row["split"] == part][: _FAKES[part]]
    path = folder / f"list-{storage.digest(list(training))[:8]}.csv"
    with storage.atomic_file(path) as aside, aside.open("w", encoding="utf-8", newline="") as file:
        lines = csv.DictWriter(file, list(rows[0]))
        lines.writeheader()
        lines.writerows(chosen)
    return path


def _kept(mode: str, seed: int, path: Path, store: Store) -> Path:
    """Return where the scores of a finished run are."""
    key = storage.digest([mode, seed, MODES[mode], storage.sha256_file(path), _code(mode), store.changes])[:16]
    return CACHE / "unseen" / f"{mode}-{key}.npz"


def trained(mode: str, seed: int, path: Path, store: Store) -> dict[str, Scores]:
    """Return the scores and verdicts of a detector on the validation and test images of a list."""
    kept = _kept(mode, seed, path, store)
    if not kept.exists():
        begun = time.perf_counter()
        with tempfile.TemporaryDirectory() as home:
            outcome = pipeline.train(config.parse(_run(mode, seed, path, Path(home))))
            parts = {part: _read(outcome.home, part, path) for part in ("validation", "test")}
            if mode == "foundation":
                judged_N = store.verdicts(outcome.best, [row["path"] for row in _rows(outcome.home, "test", path)])
                parts["test"] = parts["test"]._replace(verdict_N=judged_N)
        kept.parent.mkdir(parents=True, exist_ok=True)
        with storage.atomic_file(kept) as aside, aside.open("wb") as file:
            np.savez(file, **{f"{p}.{n}": v for p, scores in parts.items() for n, v in scores._asdict().items()})
        print(f"{mode} {seed} {path.name}: {time.perf_counter() - begun:.0f} s", flush=True)
    saved = np.load(kept)
    return {part: Scores(*(saved[f"{part}.{name}"] for name in Scores._fields)) for part in ("validation", "test")}


def _code(mode: str) -> list[str]:
    """Return what identifies the sources of a detector and of its training."""
    own = _SOURCES["foundation" if mode == "foundation" else "pixels"]
    command = ["git", "rev-parse", *(f"HEAD:./src/tithe/{source}" for source in own)]
    root = Path(__file__).resolve().parents[1]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout.split()


def _run(mode: str, seed: int, path: Path, home: Path) -> dict[str, Any]:
    chosen = MODES[mode]
    return {
        **{"task": "image", "seed": seed, "out": str(home / "run"), "data": {"path": str(path)}},
        "images": {"mode": mode, **chosen["images"]},
        "train": {
            **{"epochs": chosen["epochs"], "batch_size": 16, "learning_rate": chosen["learning_rate"]},
            **{"schedule": "cosine", "warmup_steps": 20, "min_learning_rate": 1e-6, "drop_last": True, "device": "cpu"},
        },
        "checkpoint": {"best_by": "loss"},
        "track": {"tensorboard": False},
    }


def _scored(home: Path, part: str) -> dict[str, float]:
    """Return the scores of a finished run by path."""
    table = pq.read_table(home / part / "predictions.parquet")
    return dict(zip(table["path"].to_pylist(), table["p_real"].to_pylist(), strict=True))


def _rows(home: Path, part: str, path: Path) -> list[dict[str, str]]:
    """Return the lines of a list whose images a run scored."""
    of_path = _scored(home, part)
    with path.open(encoding="utf-8", newline="") as file:
        return [row for row in csv.DictReader(file) if row["path"] in of_path]


def _read(home: Path, part: str, path: Path) -> Scores:
    """Return the scores of a finished run, and the verdicts of its calibration."""
    of_path, rows = _scored(home, part), _rows(home, part, path)
    score_N = np.array([of_path[row["path"]] for row in rows], dtype=np.float64)
    calibration = Calibration.from_dict(storage.read_json(home / "calibration.json"))
    columns = (np.array([row[name] for row in rows]) for name in ("generator", "source_id"))
    return Scores(*columns, score_N, np.array(calibration.verdicts(score_N)))


def baseline(path: Path) -> dict[str, Scores]:
    """Return the scores of the trivial baseline, with the verdicts of a calibration on the validation images."""
    lines = trivial_baseline.read_list(path)
    score_N = trivial_baseline.scores(lines)
    val_N, parts = lines.part_N == "val", {}
    own = calibrate(lines.real_N[val_N].astype(int), score_N[val_N])
    for part, row_N in (("validation", val_N), ("test", lines.part_N == "test")):
        generator_N = np.where(lines.real_N, "", lines.generator_N)[row_N]
        verdict_N = np.array(own.verdicts(score_N[row_N]))
        parts[part] = Scores(generator_N, lines.source_N[row_N], score_N[row_N], verdict_N)
    return parts


def main() -> None:
    """Train what is not trained yet, publish the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", type=Path, required=True, help="folder of the set; it is built if it does not exist")
    parser.add_argument("--modes", default="foundation:3,fast:3,full:3", help="each with its seeds; none: the baseline")
    parser.add_argument("--remark", default="", help="a sentence on how the numbers were produced")
    parser.add_argument("--steady", action="store_true", help="leave out whether harmless processing turns a verdict")
    parser.add_argument("--finished", action="store_true", help="train nothing, and publish the runs that are finished")
    parser.add_argument("--only-train", action="store_true", help="train, and publish nothing")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    unseen_set.build(arguments.set)
    seeds = {mode: int(count) for mode, count in (each.split(":") for each in arguments.modes.split(",") if each)}
    found: dict[Any, dict[str, Scores]] = {}
    # Nobody looks at the reports of these runs.
    blank = canvas.png(canvas.canvas(1, 1)[0])
    canvas.png, picture_baseline.score = lambda figure: blank, lambda *parts: None
    lists = {training: listed(arguments.set, training) for training in trainings()}
    with quiet_libraries(), Store(lists.values(), () if arguments.steady else tuple(HARMLESS)) as store:
        for mode, count in seeds.items():
            for seed in range(count):
                for training, path in lists.items():
                    if not arguments.finished or _kept(mode, seed, path, store).exists():
                        found[training, mode, seed] = trained(mode, seed, path, store)
    if not arguments.only_train:
        publish("unseen_generators", "\n".join(page(found, seeds, arguments)) + "\n")


def page(of: dict[Any, dict[str, Scores]], seeds: dict[str, int], arguments: argparse.Namespace) -> list[str]:
    """Return the lines of the result, of the runs that there are."""
    tables: dict[tuple[str, str], list[list[Scores]]] = {}
    for training in trainings():
        tables.setdefault((training.name, "trivial baseline"), []).append(
            [baseline(listed(arguments.set, training))["test"]]
        )
        for mode, count in seeds.items():
            of_seeds = [of[training, mode, seed]["test"] for seed in range(count) if (training, mode, seed) in of]
            if of_seeds:
                tables.setdefault((training.name, f"{mode}, seeds: {len(of_seeds)}"), []).append(of_seeds)
        pairs = [
            [of.get((training, mode, seed)) for mode in ("foundation", "fast")]
            for seed in range(max(seeds.values(), default=0))
        ]
        both = [stacked(first, second)["test"] for first, second in pairs if first and second]
        if both:
            tables.setdefault((training.name, STACK), []).append(both)
    how = "" if arguments.steady else ", or where harmless processing turns its verdict"
    heads = [names[0] if len(names) == 1 else "autoencoders" for names in COLUMNS]
    lines = [
        "# Real or fake, by generators that were not trained on",
        "",
        stamp(),
        "",
        *([arguments.remark, ""] if arguments.remark else []),
        f"A training set has {_PER_CLASS['faces']} photographs and {_PER_CLASS['faces']} fakes; of several generators, "
        f"{_PER_CLASS['several']} of each, and the family of the tested one is left out. Each cell: AUC, mean over "
        "seeds, its 95 % interval over photographs, and the share of fakes caught where 5 % of the real images are "
        "called fake. Test images are of other photographs.",
        "",
        f"| trained on | mode | {' | '.join(heads)} |",
        f"|---|---|{'---|' * len(heads)}",
    ]
    for (name, mode), folds in tables.items():
        cells = [next(filter(None, (cell(of_seeds, names) for of_seeds in folds)), "") for names in COLUMNS]
        lines.append(f"| {name} | {mode} | {' | '.join(cells)} |")
    lines += [
        "",
        "What `unsure` leaves, over all tested generators, mean over seeds: the share of images with a verdict, the "
        "errors among these, and the errors of all images at a score of 0.5. In foundation mode an image is also "
        f"unsure where it is far from the training images{how}.",
        "",
        "| trained on | mode | fakes judged | wrong | all fakes at 0.5 | reals judged | wrong | all reals at 0.5 |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for (name, mode), folds in tables.items():
        lines.append(f"| {name} | {mode} | {unsure(joined(folds))} |")
    return lines


if __name__ == "__main__":
    main()
